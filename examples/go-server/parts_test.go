package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestNegotiation(t *testing.T) {
	const chrome = "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8"
	all, closed := []string{"avif", "webp", "jpeg", "png"}, []string{"webp", "jpeg", "png"}
	for _, test := range []struct {
		accept, original string
		available        []string
		expected         string
	}{
		{"", "jpeg", all, "jpeg"},
		{"", "gif", all, "png"},
		{"*/*", "jpeg", all, "jpeg"},
		{"image/*", "webp", all, "png"},
		{chrome, "jpeg", all, "avif"},
		{chrome, "jpeg", closed, "webp"},
		{"image/webp;q=0.5,image/jpeg", "png", closed, "jpeg"},
		{"image/webp;q=0,*/*", "jpeg", closed, "jpeg"},
		{"IMAGE/WEBP ; Q=0.9 , image/png;q=0.8", "png", closed, "webp"},
		{"image/jpeg;q=0, */*", "jpeg", closed, ""},
		{"image/webp;q=2,image/png;q=0.1", "jpeg", closed, "png"},
		{"image/webp;q=NaN", "jpeg", closed, ""},
		{"text/html", "jpeg", closed, ""},
	} {
		if found := negotiate(test.accept, test.original, test.available); found != test.expected {
			t.Errorf("%q for %s: %q, not %q", test.accept, test.original, found, test.expected)
		}
	}
}

func TestCacheKeepsWhatWasUsedLast(t *testing.T) {
	directory := filepath.Join(t.TempDir(), "cache")
	c, err := openCache(directory, 250)
	if err != nil {
		t.Fatal(err)
	}
	content := func(number int) []byte { return bytes.Repeat([]byte{byte(number)}, 100) }
	for number := range 2 {
		c.put(hashKey(fmt.Sprint(number)), content(number))
	}
	c.get(hashKey("0"))
	c.put(hashKey("2"), content(2))
	c.put(hashKey("too large"), make([]byte, 251))
	for number, expected := range []bool{true, false, true} {
		data, found := c.get(hashKey(fmt.Sprint(number)))
		if found != expected || (found && !bytes.Equal(data, content(number))) {
			t.Errorf("entry %d: %v", number, found)
		}
	}
	if files, _ := os.ReadDir(directory); len(files) != 2 || c.size != 200 {
		t.Error(files, c.size)
	}
}

func TestCacheOfAnEarlierRun(t *testing.T) {
	directory := t.TempDir()
	c, _ := openCache(directory, 1000)
	for number, name := range []string{"oldest", "damaged", "kept"} {
		c.put(hashKey(name), []byte("content of "+name))
		element := c.entries[hashKey(name)].Value.(*entry)
		stamp := time.Unix(int64(1_000_000+number), 0)
		if err := os.Chtimes(c.path(element), stamp, stamp); err != nil {
			t.Fatal(err)
		}
		if name == "damaged" {
			os.Truncate(c.path(element), 17)
			os.Chtimes(c.path(element), stamp, stamp)
		}
	}
	for _, name := range []string{"new-123", "foreign", hashKey("x") + "-short"} {
		os.WriteFile(filepath.Join(directory, name), []byte("x"), 0o644)
	}
	reopened, err := openCache(directory, 35) // 17 of "damaged" and 15 of "kept"
	if err != nil {
		t.Fatal(err)
	}
	for name, expected := range map[string]bool{"oldest": false, "damaged": false, "kept": true} {
		if data, found := reopened.get(hashKey(name)); found != expected || (found && string(data) != "content of kept") {
			t.Errorf("%s: %v %q", name, found, data)
		}
	}
	if files, _ := os.ReadDir(directory); len(files) != 3 { // "kept" and two foreign files
		t.Error(files)
	}
}

func TestACacheThatCannotBeWrittenFailsNoRequest(t *testing.T) {
	directory := filepath.Join(t.TempDir(), "cache")
	c, _ := openCache(directory, 1000)
	if err := os.RemoveAll(directory); err != nil {
		t.Fatal(err)
	}
	c.put(hashKey("x"), []byte("x"))
	if _, found := c.get(hashKey("x")); found || c.size != 0 {
		t.Error(found, c.size)
	}
}

func TestRequestsForOneResultShareIt(t *testing.T) {
	var f flights
	var count atomic.Int64
	var group sync.WaitGroup
	hold := make(chan struct{})
	for range 20 {
		group.Add(1)
		go func() {
			defer group.Done()
			data, err := f.do(context.Background(), "key", func() ([]byte, error) {
				count.Add(1)
				<-hold
				return []byte("result"), nil
			})
			if string(data) != "result" || err != nil {
				t.Error(data, err)
			}
		}()
	}
	for count.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	time.Sleep(50 * time.Millisecond)
	ctx, leave := context.WithCancel(context.Background())
	leave()
	if _, err := f.do(ctx, "key", nil); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	close(hold)
	group.Wait()
	if count.Load() != 1 || len(f.running) != 0 {
		t.Error(count.Load(), len(f.running))
	}
}

func TestFurtherConnectionsWait(t *testing.T) {
	inner, _ := net.Listen("tcp", "127.0.0.1:0")
	listener := limitConnections(inner, 1)
	defer listener.Close()
	accepted := make(chan net.Conn)
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				close(accepted)
				return
			}
			accepted <- conn
		}
	}()
	for range 2 {
		if _, err := net.Dial("tcp", inner.Addr().String()); err != nil {
			t.Fatal(err)
		}
	}
	first := <-accepted
	select {
	case <-accepted:
		t.Fatal("two connections at a time")
	case <-time.After(50 * time.Millisecond):
	}
	first.Close()
	first.Close() // releases once
	<-accepted
	listener.Close()
	if _, open := <-accepted; open {
		t.Error("a closed listener accepts")
	}
}
