//go:build cgo

package md5lanes

/*
#cgo CFLAGS: -O2
#cgo noescape md5lanes_blocks
#cgo nocallback md5lanes_blocks
#include "lanes_amd64.h"
*/
import "C"

import "unsafe"

// The layouts of Go and C must agree: a difference does not compile.
var (
	_ [C.sizeof_md5lanes - unsafe.Sizeof(lanes{})]struct{}
	_ [unsafe.Sizeof(lanes{}) - C.sizeof_md5lanes]struct{}
)

// available is the best path of this machine.
func available() path { return path(C.md5lanes_cpu_has()) }

// blocks takes the first n bytes of the text of each of the first count lanes
// into its state.
func (l *lanes) blocks(count, n int, p path) {
	C.md5lanes_blocks((*C.md5lanes)(unsafe.Pointer(l)), C.int(count), C.size_t(n), C.int(p))
}
