//go:build !static

package vips

// #cgo pkg-config: vips
import "C"
