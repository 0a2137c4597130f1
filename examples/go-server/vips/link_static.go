//go:build static

package vips

// #cgo pkg-config: --static vips
import "C"
