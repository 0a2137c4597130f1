//go:build unix

package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestLinksAndOtherFiles(t *testing.T) {
	_, web, directory := startServer(t, nil)
	writeFile(t, filepath.Join(directory, "..", "outside", "secret.jpg"), jpegOf(4, 3))
	for name, target := range map[string]string{
		"inside.jpg":  "photo.jpg",
		"outside.jpg": "../outside/secret.jpg",
		"absolute":    filepath.Join(directory, "..", "outside"),
		"loop.jpg":    "loop.jpg",
	} {
		if err := os.Symlink(target, filepath.Join(directory, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo(filepath.Join(directory, "fifo.jpg"), 0o644); err != nil {
		t.Fatal(err)
	}
	const leaves, missing = "the path leaves the folder", "there is no such picture"
	for target, expected := range map[string]string{
		"/outside.jpg": leaves, "/absolute/secret.jpg?width=4": leaves, "/loop.jpg": missing, "/fifo.jpg": missing,
	} {
		if response, data := get(t, web.URL+target); strings.TrimSpace(string(data)) != expected {
			t.Errorf("%s: %d %q", target, response.StatusCode, data)
		}
	}
	if response, _ := get(t, web.URL+"/inside.jpg?width=10"); response.StatusCode != 200 {
		t.Error(response.StatusCode)
	}
}
