//go:build static

package vips

// #cgo CFLAGS: -DVIPS_IS_STATIC
// #cgo pkg-config: --static vips
import "C"
