package extsort

import (
	"errors"
	"unsafe"

	"golang.org/x/sys/unix"
)

// freeSpace is how many bytes an ordinary user may still write below dir.
func freeSpace(dir string) (int64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, err
	}
	return int64(st.Bavail) * int64(st.Bsize), nil
}

// adviseHuge asks for b to lie in huge pages, which saves time where memory is
// read in no order. It is advice: systems without them go on as they are.
func adviseHuge(b []byte) {
	const page = 2 << 20
	start := uintptr(unsafe.Pointer(unsafe.SliceData(b)))
	from := (start+page-1)&^(page-1) - start
	if from+page > uintptr(len(b)) {
		return
	}
	_ = unix.Madvise(b[from:uintptr(len(b))&^(4<<10-1)], unix.MADV_HUGEPAGE)
}

func isFull(err error) bool {
	return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT)
}
