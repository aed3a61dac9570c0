//go:build !linux

package sqlite

import (
	"fmt"
	"os"
	"reflect"
)

// fileAt tells which file is at a path, by its number where there is one. A file that is
// written over is still the same.
func fileAt(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	if v := reflect.Indirect(reflect.ValueOf(info.Sys())); v.Kind() == reflect.Struct {
		if ino := v.FieldByName("Ino"); ino.IsValid() {
			return fmt.Sprint(ino.Interface()), nil
		}
	}
	return "", fmt.Errorf("this system does not tell one file from another")
}

// mayWrite tells whether we could write to the file.
func mayWrite(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().Perm()&0o222 != 0
}
