//go:build unix

package serve

import (
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"cooper"
)

// unwritable refuses an open file to which others than its owner, who is this user or root, can write: they
// could let themselves in.
func unwritable(path string, f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return &cooper.Error{Kind: cooper.KindUsage, Where: path, Message: "the file cannot be looked at", Err: err}
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok && int(st.Uid) != os.Geteuid() && st.Uid != 0 {
		return &cooper.Error{Kind: cooper.KindRefused, Where: path, Message: fmt.Sprintf("the file belongs to user %d, who could let himself in", st.Uid), Remedy: "Use a file of your own, or of root's."}
	}
	if info.Mode().Perm()&0o022 != 0 {
		return &cooper.Error{Kind: cooper.KindRefused, Where: path, Message: fmt.Sprintf("others can write to it (%s), and let themselves in", info.Mode()), Remedy: "chmod go-w " + path}
	}
	return nil
}

// checkSecret refuses a key that anybody can read.
func checkSecret(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return &cooper.Error{Kind: cooper.KindUsage, Where: path, Message: "the key cannot be read", Err: err}
	}
	if info.Mode().Perm()&0o026 != 0 || info.Mode().Perm()&0o004 != 0 {
		return &cooper.Error{Kind: cooper.KindRefused, Where: path, Message: fmt.Sprintf("the key can be read by anybody, or written by others (%s)", info.Mode()), Remedy: "chmod 600 " + path}
	}
	return nil
}

func fileID(info fs.FileInfo) string {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return ""
	}
	return fmt.Sprint(st.Dev, " ", st.Ino)
}
