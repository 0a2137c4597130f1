package main

import (
	"container/list"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"sync"
)

const sumLength = 32 // digits of the sum in the name of a file

// cache keeps thumbnails in files named <key>-<sum>; the least recently used are removed when it is full.
//
// A file that is not what its name says, after a crash for example, counts as missing. A nil cache is always empty.
type cache struct {
	directory string
	largest   int64

	mutex   sync.Mutex
	size    int64
	order   *list.List // of *entry, the most recently used first
	entries map[string]*list.Element
}

type entry struct {
	key, sum string
	size     int64
}

func hashKey(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return hex.EncodeToString(sum[:])
}

func contentSum(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])[:sumLength]
}

// openCache reads which entries a directory has, removes unfinished files, and makes it fit the limit.
func openCache(directory string, largest int64) (*cache, error) {
	if err := os.MkdirAll(directory, 0o700); err != nil {
		return nil, fmt.Errorf("the cache cannot be created: %w", err)
	}
	c := &cache{directory: directory, largest: largest, order: list.New(), entries: map[string]*list.Element{}}
	files, err := os.ReadDir(directory)
	if err != nil {
		return nil, fmt.Errorf("the cache cannot be read: %w", err)
	}
	var found []os.FileInfo
	for _, file := range files {
		if strings.HasPrefix(file.Name(), "new-") {
			_ = os.Remove(filepath.Join(directory, file.Name()))
		} else if info, err := file.Info(); err == nil && info.Mode().IsRegular() && isEntryName(file.Name()) {
			found = append(found, info)
		}
	}
	sort.Slice(found, func(i, j int) bool { return found[i].ModTime().Before(found[j].ModTime()) })
	for _, info := range found {
		key, sum, _ := strings.Cut(info.Name(), "-")
		c.add(&entry{key, sum, info.Size()})
	}
	return c, nil
}

func isEntryName(name string) bool {
	key, sum, _ := strings.Cut(name, "-")
	_, err := hex.DecodeString(key + sum)
	return err == nil && len(key) == sha256.Size*2 && len(sum) == sumLength
}

func (c *cache) path(e *entry) string { return filepath.Join(c.directory, e.key+"-"+e.sum) }

func (c *cache) get(key string) ([]byte, bool) {
	if c == nil {
		return nil, false
	}
	c.mutex.Lock()
	element, found := c.entries[key]
	if !found {
		c.mutex.Unlock()
		return nil, false
	}
	c.order.MoveToFront(element)
	e := element.Value.(*entry)
	c.mutex.Unlock()
	data, err := os.ReadFile(c.path(e))
	if err == nil && contentSum(data) == e.sum {
		return data, true
	}
	slog.Warn("an entry of the cache is damaged or missing", "file", c.path(e))
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.entries[key] == element {
		c.remove(element)
	}
	return nil, false
}

// put stores an entry. A cache that cannot be written, because the disk is full for example, makes no request fail.
func (c *cache) put(key string, data []byte) {
	if c == nil || int64(len(data)) > c.largest {
		return
	}
	e := &entry{key, contentSum(data), int64(len(data))}
	if err := c.write(e, data); err != nil {
		slog.Warn("the cache cannot be written", "error", err.Error())
		return
	}
	c.add(e)
}

func (c *cache) write(e *entry, data []byte) error {
	file, err := os.CreateTemp(c.directory, "new-*")
	if err != nil {
		return err
	}
	_, err = file.Write(data)
	if err = errors.Join(err, file.Close()); err == nil {
		err = os.Rename(file.Name(), c.path(e))
	}
	if err != nil {
		_ = os.Remove(file.Name())
	}
	return err
}

func (c *cache) add(e *entry) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if old, found := c.entries[e.key]; found {
		if old.Value.(*entry).sum == e.sum {
			c.order.MoveToFront(old)
			return
		}
		c.remove(old)
	}
	c.entries[e.key] = c.order.PushFront(e)
	c.size += e.size
	for c.size > c.largest {
		c.remove(c.order.Back())
	}
}

// remove requires the lock.
func (c *cache) remove(element *list.Element) {
	e := c.order.Remove(element).(*entry)
	delete(c.entries, e.key)
	c.size -= e.size
	_ = os.Remove(c.path(e))
}
