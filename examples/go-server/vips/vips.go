// Package vips makes thumbnails with libvips.
package vips

/*
#include <stdlib.h>
#include <vips/version.h>
#include "glib_check.h"
#include "thumbnail.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"os"
	"time"
	"unsafe"
)

// Version of libvips whose headers this program was compiled with.
const Version = C.VIPS_VERSION

var (
	ErrNotAPicture = errors.New("the file is not a picture")
	ErrTooLarge    = errors.New("the picture is too large")
	ErrDamaged     = errors.New("the picture cannot be decoded or saved")
	ErrTimeout     = errors.New("the thumbnail took too long")
)

// Options of a thumbnail. The result fits in Width x Height; 0 is no limit, and pictures are never enlarged.
type Options struct {
	Width, Height, Quality int
	Format                 string // "webp", "jpeg", "png" or "avif"
	PixelLimit             int64
	TimeLimit              time.Duration
}

var suffixes = map[string]string{"avif": ".avif", "webp": ".webp", "jpeg": ".jpg", "png": ".png"}

// Start initializes libvips; it must be called once, before all others.
func Start() error {
	os.Setenv("VIPS_WARNING", "1") // its messages about pictures, which are none of the log's lines
	var message [512]C.char
	C.find_other_glib(&message[0], C.size_t(len(message)))
	if path := C.GoString(&message[0]); path != "" {
		return fmt.Errorf("two copies of GLib are in this process: that of libvips, and %s. "+
			"Link the other library to the one in libvips, or move it to another process", path)
	}
	name := C.CString(os.Args[0])
	defer C.free(unsafe.Pointer(name))
	if C.thumbnail_start(name, &message[0], C.size_t(len(message))) != 0 {
		return fmt.Errorf("libvips does not start: %s", C.GoString(&message[0]))
	}
	return nil
}

// CanSave reports whether this libvips writes a format.
func CanSave(format string) bool {
	suffix := C.CString(suffixes[format])
	defer C.free(unsafe.Pointer(suffix))
	return C.thumbnail_can_save(suffix) != 0
}

// FindFormat returns the format of a picture ("jpeg", "png", "webp", "gif", "heif", "tiff", "svg"), or "".
func FindFormat(data []byte) string {
	if len(data) == 0 {
		return ""
	}
	var format [16]C.char
	C.thumbnail_find_format(unsafe.Pointer(&data[0]), C.size_t(len(data)), &format[0], C.size_t(len(format)))
	return C.GoString(&format[0])
}

// Thumbnail decodes, shrinks, rotates upright and encodes a picture. Errors wrap one of the variables above.
func Thumbnail(data []byte, options Options) ([]byte, error) {
	if len(data) == 0 {
		return nil, ErrNotAPicture
	}
	suffix := C.CString(suffixes[options.Format])
	defer C.free(unsafe.Pointer(suffix))
	request := C.struct_thumbnail_request{
		width:       C.int(options.Width),
		height:      C.int(options.Height),
		quality:     C.int(options.Quality),
		save_suffix: suffix,
		pixel_limit: C.double(options.PixelLimit),
		time_limit:  C.double(options.TimeLimit.Seconds()),
	}
	var result C.struct_thumbnail_result
	status := C.thumbnail_make(unsafe.Pointer(&data[0]), C.size_t(len(data)), &request, &result)
	defer C.thumbnail_free(result.data)
	if err := describe(status); err != nil {
		if detail := C.GoString(&result.error[0]); detail != "" {
			return nil, fmt.Errorf("%w: %s", err, detail)
		}
		return nil, err
	}
	return C.GoBytes(result.data, C.int(result.length)), nil
}

func describe(status C.enum_thumbnail_status) error {
	switch status {
	case C.THUMBNAIL_OK:
		return nil
	case C.THUMBNAIL_NOT_A_PICTURE:
		return ErrNotAPicture
	case C.THUMBNAIL_TOO_LARGE:
		return ErrTooLarge
	case C.THUMBNAIL_TIMEOUT:
		return ErrTimeout
	default:
		return ErrDamaged
	}
}
