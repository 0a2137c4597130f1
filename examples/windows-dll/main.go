//go:build windows

// Command windows-dll writes a thumbnail of a picture with the DLL of the SDK: without cgo, headers or a C compiler.
//
// Package syscall loads DLLs on Windows only. On other systems the standard library has nothing like it.
package main

import (
	"fmt"
	"os"
	"strconv"
	"syscall"
	"unsafe"
)

const sizeDown = 2 // VIPS_SIZE_DOWN

var (
	dll       = syscall.NewLazyDLL("libvips-42.dll")
	vipsInit  = dll.NewProc("vips_init")
	thumbnail = dll.NewProc("vips_thumbnail")
	write     = dll.NewProc("vips_image_write_to_file")
	getWidth  = dll.NewProc("vips_image_get_width")
	getHeight = dll.NewProc("vips_image_get_height")
	getError  = dll.NewProc("vips_error_buffer")
	version   = dll.NewProc("vips_version_string")
	unref     = dll.NewProc("g_object_unref")
)

// text returns a copy of a C string.
func text(address uintptr) string {
	var data []byte
	for pointer := *(*unsafe.Pointer)(unsafe.Pointer(&address)); *(*byte)(pointer) != 0; pointer = unsafe.Add(pointer, 1) {
		data = append(data, *(*byte)(pointer))
	}
	return string(data)
}

func cString(text string) uintptr {
	pointer, err := syscall.BytePtrFromString(text)
	if err != nil {
		panic(err)
	}
	keep = append(keep, pointer)
	return uintptr(unsafe.Pointer(pointer))
}

var keep []*byte // strings that C reads

func run(source, destination string, width int) error {
	var image uintptr
	for _, call := range []func() uintptr{
		func() uintptr { code, _, _ := vipsInit.Call(cString("windows-dll")); return code },
		func() uintptr {
			code, _, _ := thumbnail.Call(cString(source), uintptr(unsafe.Pointer(&image)), uintptr(width),
				cString("size"), sizeDown, 0)
			return code
		},
		func() uintptr { code, _, _ := write.Call(image, cString(destination), 0); return code },
	} {
		if int32(call()) != 0 {
			address, _, _ := getError.Call()
			return fmt.Errorf("%s", text(address))
		}
	}
	imageWidth, _, _ := getWidth.Call(image)
	imageHeight, _, _ := getHeight.Call(image)
	address, _, _ := version.Call()
	fmt.Printf("%d x %d with libvips %s\n", int32(imageWidth), int32(imageHeight), text(address))
	unref.Call(image)
	return nil
}

func main() {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: windows-dll PICTURE THUMBNAIL WIDTH")
		os.Exit(2)
	}
	width, err := strconv.Atoi(os.Args[3])
	if err == nil {
		err = run(os.Args[1], os.Args[2], width)
	}
	if err != nil {
		fmt.Fprint(os.Stderr, "windows-dll: ", err)
		os.Exit(1)
	}
}
