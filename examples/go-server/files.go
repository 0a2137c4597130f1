package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

var (
	errLeavesFolder = errors.New("the path leaves the folder")
	errFileTooLarge = errors.New("the file is too large")
)

// folder reads files below a directory and nothing else, whatever links it has: os.Root resolves each part of a path.
type folder struct {
	root    *os.Root
	largest int64 // bytes of a file
}

func openFolder(directory string, largest int64) (*folder, error) {
	root, err := os.OpenRoot(directory)
	if err != nil {
		return nil, fmt.Errorf("the folder of pictures cannot be opened: %w", err)
	}
	return &folder{root, largest}, nil
}

// open returns the file of a URL's path, which is already decoded, once, and its status.
//
// Errors wrap errLeavesFolder, errFileTooLarge or fs.ErrNotExist; names that begin with a period do not exist.
func (f *folder) open(urlPath string) (*os.File, fs.FileInfo, error) {
	name, err := localName(urlPath)
	if err != nil {
		return nil, nil, err
	}
	// A FIFO must not block, and a file may be replaced by one between a check and its opening.
	file, err := f.root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, explainOpening(err)
	}
	status, err := file.Stat()
	switch {
	case err != nil:
	case !status.Mode().IsRegular():
		err = fs.ErrNotExist
	case status.Size() > f.largest:
		err = fmt.Errorf("%w: %d bytes, more than %d", errFileTooLarge, status.Size(), f.largest)
	}
	if err != nil {
		file.Close()
		return nil, nil, err
	}
	return file, status, nil
}

// read returns the content of a file.
func (f *folder) read(urlPath string) ([]byte, error) {
	file, status, err := f.open(urlPath)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	data := make([]byte, status.Size())
	_, err = io.ReadFull(file, data)
	return data, err
}

// version changes when the file does.
func version(status fs.FileInfo) string {
	return fmt.Sprintf("%d-%d", status.Size(), status.ModTime().UnixNano())
}

// localName translates a URL's path to a name below the folder.
func localName(urlPath string) (string, error) {
	name := strings.TrimPrefix(urlPath, "/")
	for _, part := range strings.FieldsFunc(name, func(r rune) bool { return r == '/' || r == '\\' }) {
		if part == ".." {
			return "", errLeavesFolder
		}
		if strings.HasPrefix(part, ".") {
			return "", fs.ErrNotExist
		}
	}
	local, err := filepath.Localize(name) // refuses empty parts, NUL, and on Windows backslashes, drives and devices
	if err != nil || strings.Contains(name, `\`) {
		return "", fs.ErrNotExist
	}
	return local, nil
}

// explainOpening tells links that lead out of the folder from files that are missing; os.Root exports no error for them.
func explainOpening(err error) error {
	var pathError *fs.PathError
	if errors.As(err, &pathError) && pathError.Err.Error() == "path escapes from parent" {
		return errLeavesFolder
	}
	for _, missing := range []error{fs.ErrNotExist, syscall.ENOTDIR, syscall.ELOOP, syscall.ENAMETOOLONG, syscall.ENXIO} {
		if errors.Is(err, missing) {
			return fs.ErrNotExist
		}
	}
	return err
}
