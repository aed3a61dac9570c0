//go:build !cgo || !amd64

package cfb8

// available says that there is only the portable path; the rest is never called.
func available() path { return portable }

func expandKey(*Key, *roundKeys) {}

func decryptWindow(*roundKeys, []byte, []byte, path) {}

func (l *lanes) encrypt(int, int) {}
