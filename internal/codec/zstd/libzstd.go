package zstd

// The functions below are part of libzstd's stable interface; the library itself comes compiled from source
// with the imported module, whose own binding can set neither the checksum nor the size of a frame.

/*
#cgo noescape codec_begin
#cgo nocallback codec_begin
#cgo noescape codec_step
#cgo nocallback codec_step
#cgo noescape ZSTD_isError
#cgo nocallback ZSTD_isError

#include <stddef.h>

typedef struct ZSTD_CCtx_s ZSTD_CCtx;
typedef struct { const void *src; size_t size; size_t pos; } codec_in;
typedef struct { void *dst; size_t size; size_t pos; } codec_out;

extern unsigned ZSTD_versionNumber(void);
extern unsigned ZSTD_isError(size_t code);
extern const char *ZSTD_getErrorName(size_t code);
extern size_t ZSTD_compressBound(size_t size);
extern ZSTD_CCtx *ZSTD_createCCtx(void);
extern size_t ZSTD_freeCCtx(ZSTD_CCtx *c);
extern size_t ZSTD_CCtx_reset(ZSTD_CCtx *c, int what);
extern size_t ZSTD_CCtx_setParameter(ZSTD_CCtx *c, int parameter, int value);
extern size_t ZSTD_CCtx_setPledgedSrcSize(ZSTD_CCtx *c, unsigned long long size);
extern size_t ZSTD_compressStream2(ZSTD_CCtx *c, codec_out *out, codec_in *in, int end);
extern size_t ZSTD_sizeof_CCtx(const ZSTD_CCtx *c);

// codec_begin makes c ready for one frame with a checksum; size is -1 if unknown.
static size_t codec_begin(ZSTD_CCtx *c, int level, long long size) {
	enum { session_and_parameters = 3, compression_level = 100, checksum_flag = 201 };
	size_t r = ZSTD_CCtx_reset(c, session_and_parameters);
	if (!ZSTD_isError(r)) r = ZSTD_CCtx_setParameter(c, compression_level, level);
	if (!ZSTD_isError(r)) r = ZSTD_CCtx_setParameter(c, checksum_flag, 1);
	if (!ZSTD_isError(r)) r = ZSTD_CCtx_setPledgedSrcSize(c, (unsigned long long)size);
	return r;
}

// codec_step takes input and gives output as far as there is room; what it returns is 0 once, with end, the
// frame is complete.
static size_t codec_step(ZSTD_CCtx *c, void *dst, size_t room, size_t *wrote, const void *src, size_t n, size_t *took, int end) {
	enum { go_on = 0, finish = 2 };
	codec_in in = { src, n, 0 };
	codec_out out = { dst, room, 0 };
	size_t r = ZSTD_compressStream2(c, &out, &in, end ? finish : go_on);
	*wrote = out.pos;
	*took = in.pos;
	return r;
}
*/
import "C"

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
	"unsafe"

	_ "github.com/DataDog/zstd" // libzstd, compiled from source
)

// compressor is a compression context of libzstd, of several megabytes; it is freed when the garbage collector
// finds it unused.
type compressor struct {
	ctx   *C.ZSTD_CCtx
	level int
}

// idle keeps contexts for reuse, apart for each level: those of high levels are large.
var idle [MaxLevel + 1]sync.Pool

func getCompressor(level int) (*compressor, error) {
	if c, ok := idle[level].Get().(*compressor); ok {
		return c, nil
	}
	ctx := C.ZSTD_createCCtx()
	if ctx == nil {
		return nil, errors.New("libzstd: no memory for a context")
	}
	c := &compressor{ctx: ctx, level: level}
	runtime.AddCleanup(c, func(ctx *C.ZSTD_CCtx) { C.ZSTD_freeCCtx(ctx) }, ctx)
	return c, nil
}

func (c *compressor) release() { idle[c.level].Put(c) }

// begin starts a frame of size bytes of content, or of an unknown number if size is -1.
func (c *compressor) begin(size int64) error {
	return asError(C.codec_begin(c.ctx, C.int(c.level), C.longlong(size)))
}

// step compresses from src into dst and tells how much of each was used. With end, it reports done once the
// frame is complete.
func (c *compressor) step(dst, src []byte, end bool) (wrote, took int, done bool, err error) {
	var w, t C.size_t
	var e C.int
	if end {
		e = 1
	}
	r := C.codec_step(c.ctx, unsafe.Pointer(unsafe.SliceData(dst)), C.size_t(len(dst)), &w,
		unsafe.Pointer(unsafe.SliceData(src)), C.size_t(len(src)), &t, e)
	runtime.KeepAlive(c)
	return int(w), int(t), end && r == 0, asError(r)
}

// memory is what the context holds, in bytes.
func (c *compressor) memory() int64 { return int64(C.ZSTD_sizeof_CCtx(c.ctx)) }

// bound is the most bytes a frame of n bytes of content can take.
func bound(n int) int { return int(C.ZSTD_compressBound(C.size_t(n))) }

// Version is that of libzstd, such as "1.5.7": compressed bytes are the same for the same content, level and
// Version.
func Version() string {
	v := uint(C.ZSTD_versionNumber())
	return fmt.Sprintf("%d.%d.%d", v/10000, v/100%100, v%100)
}

func asError(r C.size_t) error {
	if C.ZSTD_isError(r) == 0 {
		return nil
	}
	return errors.New("libzstd: " + C.GoString(C.ZSTD_getErrorName(r)))
}
