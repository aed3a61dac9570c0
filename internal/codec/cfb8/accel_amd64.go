//go:build cgo

package cfb8

/*
#cgo CFLAGS: -O2
#cgo noescape cfb8_expand_key
#cgo nocallback cfb8_expand_key
#cgo noescape cfb8_decrypt
#cgo nocallback cfb8_decrypt
#cgo noescape cfb8_encrypt_lanes
#cgo nocallback cfb8_encrypt_lanes
#include "aes_amd64.h"
*/
import "C"

import "unsafe"

// The layouts of Go and C must agree: a difference does not compile.
var (
	_ [C.sizeof_cfb8_lanes - unsafe.Sizeof(lanes{})]struct{}
	_ [unsafe.Sizeof(lanes{}) - C.sizeof_cfb8_lanes]struct{}
)

// available is the best path of this machine.
func available() path { return path(C.cfb8_cpu_has()) }

func u8(b *byte) *C.uint8_t { return (*C.uint8_t)(unsafe.Pointer(b)) }

func expandKey(key *Key, keys *roundKeys) { C.cfb8_expand_key(u8(&key[0]), u8(&keys[0])) }

// decryptWindow needs a window of len(dst)+16 bytes, and a dst that is not empty.
func decryptWindow(keys *roundKeys, dst, window []byte, p path) {
	C.cfb8_decrypt(u8(&keys[0]), u8(&window[0]), u8(&dst[0]), C.size_t(len(dst)), C.int(p))
}

func (l *lanes) encrypt(count, n int) {
	C.cfb8_encrypt_lanes((*C.cfb8_lanes)(unsafe.Pointer(l)), C.int(count), C.size_t(n))
}
