package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"example.org/go-server/vips"
)

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	if err := vips.Start(); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

func drawPicture(width, height int) image.Image {
	picture := image.NewRGBA(image.Rect(0, 0, width, height))
	for y := range height {
		for x := range width {
			picture.Set(x, y, color.RGBA{uint8(x), uint8(y), uint8(x * y / 64), 255})
		}
	}
	return picture
}

func jpegOf(width, height int) []byte {
	var buffer bytes.Buffer
	if err := jpeg.Encode(&buffer, drawPicture(width, height), nil); err != nil {
		panic(err)
	}
	return buffer.Bytes()
}

func pngOf(width, height int) []byte {
	var buffer bytes.Buffer
	if err := png.Encode(&buffer, drawPicture(width, height)); err != nil {
		panic(err)
	}
	return buffer.Bytes()
}

// bombOf returns a PNG of 100 bytes that claims to have width x height pixels.
func bombOf(width, height uint32) []byte {
	data := pngOf(1, 1)
	binary.BigEndian.PutUint32(data[16:], width)
	binary.BigEndian.PutUint32(data[20:], height)
	binary.BigEndian.PutUint32(data[29:], crc32.ChecksumIEEE(data[12:29]))
	return data
}

func writeFile(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

// startServer returns a server of a folder with a 400 x 300 photo.jpg, and that folder.
func startServer(t *testing.T, change func(*settings)) (*server, *httptest.Server, string) {
	t.Helper()
	directory := filepath.Join(t.TempDir(), "pictures")
	writeFile(t, filepath.Join(directory, "photo.jpg"), jpegOf(400, 300))
	s, _, err := parseFlags([]string{directory})
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(&s)
	}
	handler, err := newServer(s, directory)
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(handler)
	t.Cleanup(web.Close)
	return handler, web, directory
}

func get(t *testing.T, url string, headers ...string) (*http.Response, []byte) {
	t.Helper()
	request, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, data
}

func TestRefusals(t *testing.T) {
	_, web, directory := startServer(t, func(s *settings) { s.fileSize = 100_000 })
	writeFile(t, filepath.Join(directory, "notes.txt"), []byte("no picture"))
	writeFile(t, filepath.Join(directory, "page.jpg"), []byte("<html><script>alert(1)</script></html>"))
	writeFile(t, filepath.Join(directory, "empty.png"), nil)
	writeFile(t, filepath.Join(directory, "bomb.png"), bombOf(30000, 30000))
	writeFile(t, filepath.Join(directory, "cut.jpg"), jpegOf(400, 300)[:3000])
	writeFile(t, filepath.Join(directory, "large.png"), make([]byte, 100_001))
	writeFile(t, filepath.Join(directory, ".hidden", "photo.jpg"), jpegOf(4, 3))
	writeFile(t, filepath.Join(directory, "..", "secret.jpg"), jpegOf(4, 3))
	const leaves, missing = "the path leaves the folder", "there is no such picture"
	for _, test := range []struct {
		target string
		status int
		text   string
	}{
		{"/missing.jpg", 404, missing},
		{"/", 404, missing},
		{"/.hidden/photo.jpg", 404, missing},
		{"//photo.jpg", 404, missing},
		{"/photo.jpg/", 404, missing},
		{"/photo.jpg/x", 404, missing},
		{"/photo.jpg%00.png", 404, missing},
		{"/" + strings.Repeat("x", 300), 404, missing},
		{"/../secret.jpg?width=4", 400, leaves},
		{"/%2e%2e/secret.jpg", 400, leaves},
		{"/%2e%2e%2fsecret.jpg", 400, leaves},
		{"/a/..%5c..%5csecret.jpg", 400, leaves},
		{"/%252e%252e/secret.jpg", 404, missing},
		{"/notes.txt", 415, "the file is not a picture"},
		{"/page.jpg", 415, "the file is not a picture"},
		{"/empty.png?width=10", 415, "the file is not a picture"},
		{"/large.png", 413, "the file is too large: 100001 bytes, more than 100000"},
		{"/bomb.png?width=10", 413,
			"the picture is too large: the picture has 30000 x 30000 pixels in 1 frames, more than 100000000 in all"},
		{"/cut.jpg?width=10", 422, "the picture cannot be decoded or saved"},
		{"/photo.jpg?width=0", 400, `width is a whole number from 1 to 16383, not "0"`},
		{"/photo.jpg?height=1e3", 400, `height is a whole number from 1 to 16383, not "1e3"`},
		{"/photo.jpg?quality=101", 400, `quality is a whole number from 1 to 100, not "101"`},
		{"/photo.jpg?width=+10", 400, `width is a whole number from 1 to 16383, not " 10"`},
		{"/photo.jpg?width=1&width=2", 400, `the parameter "width" is repeated`},
		{"/photo.jpg?wdth=10", 400, `there is no parameter "wdth"; there are width, height, quality and format`},
		{"/photo.jpg?format=bmp", 400, `format is one of avif, webp, jpeg, png, not "bmp"`},
		{"/photo.jpg?width=%zz", 400, "the query is malformed"},
	} {
		response, data := get(t, web.URL+test.target)
		if text := strings.TrimSpace(string(data)); response.StatusCode != test.status || text != test.text {
			t.Errorf("%s: %d %q, not %d %q", test.target, response.StatusCode, text, test.status, test.text)
		}
	}
}

func TestMethodsThatChangeSomethingAreRefused(t *testing.T) {
	_, web, _ := startServer(t, nil)
	response, err := http.Post(web.URL+"/photo.jpg", "text/plain", nil)
	if err != nil || response.StatusCode != 405 || response.Header.Get("Allow") != "GET, HEAD" {
		t.Fatal(response, err)
	}
}

func TestThumbnails(t *testing.T) {
	_, web, directory := startServer(t, nil)
	writeFile(t, filepath.Join(directory, "below", "a b é.png"), pngOf(90, 120))
	for _, test := range []struct {
		target, accept, mediaType string
		width, height             int // 0: not readable by Go
	}{
		{"/photo.jpg?width=100", "", "image/jpeg", 100, 75},
		{"/photo.jpg?height=30", "*/*", "image/jpeg", 40, 30},
		{"/photo.jpg?width=100&height=30", "image/*", "image/jpeg", 40, 30},
		{"/photo.jpg?width=1000", "", "image/jpeg", 400, 300},
		{"/photo.jpg?quality=5", "image/png", "image/png", 400, 300},
		{"/photo.jpg?width=100", "image/webp,*/*;q=0.8", "image/webp", 0, 0},
		{"/photo.jpg?width=100&format=png", "image/webp", "image/png", 100, 75},
		{"/below/a%20b%20%C3%A9.png?width=45", "", "image/png", 45, 60},
	} {
		response, data := get(t, web.URL+test.target, "Accept", test.accept)
		if mediaType := response.Header.Get("Content-Type"); response.StatusCode != 200 || mediaType != test.mediaType {
			t.Errorf("%s: %d %s: %s", test.target, response.StatusCode, mediaType, data)
			continue
		}
		if found := "image/" + vips.FindFormat(data); found != test.mediaType {
			t.Errorf("%s: the data is %s", test.target, found)
		}
		if vary := response.Header.Get("Vary"); (vary == "Accept") == strings.Contains(test.target, "format=") {
			t.Errorf("%s: Vary is %q", test.target, vary)
		}
		if config, _, err := image.DecodeConfig(bytes.NewReader(data)); test.width != 0 &&
			(err != nil || config.Width != test.width || config.Height != test.height) {
			t.Errorf("%s: %d x %d, %v", test.target, config.Width, config.Height, err)
		}
	}
	response, data := get(t, web.URL+"/photo.jpg?width=10", "Accept", "text/html")
	if response.StatusCode != 406 || !strings.HasPrefix(string(data), "the format is none of ") {
		t.Error(response.StatusCode, string(data))
	}
}

// The SDK with the profile "server" has AVIF.
func TestAvif(t *testing.T) {
	if !vips.CanSave("avif") {
		t.Skip("this libvips does not write AVIF")
	}
	_, web, directory := startServer(t, nil)
	_, data := get(t, web.URL+"/photo.jpg?width=100", "Accept", "image/avif,image/webp,*/*;q=0.8")
	if vips.FindFormat(data) != "heif" || string(data[4:12]) != "ftypavif" {
		t.Fatalf("%q", data[:min(len(data), 40)])
	}
	writeFile(t, filepath.Join(directory, "photo.avif"), data)
	writeFile(t, filepath.Join(directory, "cut.avif"), data[:len(data)/2])
	response, data := get(t, web.URL+"/photo.avif?width=50&format=png")
	picture, err := png.Decode(bytes.NewReader(data))
	if err != nil || picture.Bounds().Dx() != 50 || picture.Bounds().Dy() != 38 {
		t.Fatal(response.StatusCode, err)
	}
	// The color at the position of the picture that drawPicture draws.
	red, green, _, _ := picture.At(12, 12).RGBA()
	if expected := uint32(12 * 8); max(red>>8, expected)-min(red>>8, expected) > 25 ||
		max(green>>8, expected)-min(green>>8, expected) > 25 {
		t.Error(red>>8, green>>8)
	}
	if response, data := get(t, web.URL+"/cut.avif?width=50&format=png"); response.StatusCode != 422 {
		t.Error(response.StatusCode, string(data))
	}
}

func TestTheFileItselfWithoutParameters(t *testing.T) {
	_, web, directory := startServer(t, nil)
	expected, _ := os.ReadFile(filepath.Join(directory, "photo.jpg"))
	response, data := get(t, web.URL+"/photo.jpg")
	if !bytes.Equal(data, expected) || response.Header.Get("Content-Type") != "image/jpeg" {
		t.Fatal(response.Header)
	}
	response, data = get(t, web.URL+"/photo.jpg", "Range", "bytes=2-5")
	if response.StatusCode != 206 || !bytes.Equal(data, expected[2:6]) {
		t.Error(response.StatusCode, data)
	}
}

func TestUnchangedThumbnailsAreNotSentAgain(t *testing.T) {
	_, web, _ := startServer(t, nil)
	response, _ := get(t, web.URL+"/photo.jpg?width=50")
	again, data := get(t, web.URL+"/photo.jpg?width=50", "If-None-Match", response.Header.Get("ETag"))
	if again.StatusCode != 304 || len(data) != 0 || again.Header.Get("Cache-Control") != "public, max-age=3600" {
		t.Error(again.StatusCode, again.Header)
	}
}

func TestABusyServerRefusesAndThenRecovers(t *testing.T) {
	handler, web, _ := startServer(t, func(s *settings) { s.workers, s.queue, s.patience = 1, 0, time.Second })
	release, err := handler.slots.acquire(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	response, data := get(t, web.URL+"/photo.jpg?width=10")
	if response.StatusCode != 503 || response.Header.Get("Retry-After") != "1" || string(data) != "the server is busy\n" {
		t.Error(response.StatusCode, response.Header, string(data))
	}
	if response, _ := get(t, web.URL+"/healthz"); response.StatusCode != 200 {
		t.Error("/healthz needs a slot")
	}
	release()
	if response, _ := get(t, web.URL+"/photo.jpg?width=10"); response.StatusCode != 200 {
		t.Error(response.StatusCode)
	}
}

func TestAThumbnailThatTakesTooLongIsGivenUp(t *testing.T) {
	_, web, _ := startServer(t, func(s *settings) { s.timeLimit = time.Nanosecond })
	response, data := get(t, web.URL+"/photo.jpg?width=300")
	if response.StatusCode != 504 || string(data) != "the thumbnail took too long\n" {
		t.Error(response.StatusCode, string(data))
	}
}

func TestManyClients(t *testing.T) {
	_, web, _ := startServer(t, func(s *settings) { s.queue, s.cacheFolder = 100, filepath.Join(t.TempDir(), "cache") })
	var group sync.WaitGroup
	for number := range 64 {
		group.Add(1)
		go func() {
			defer group.Done()
			width := []string{"10", "20", "30"}[number%3]
			_, data := get(t, web.URL+"/photo.jpg?width="+width)
			if config, err := jpeg.DecodeConfig(bytes.NewReader(data)); err != nil || config.Width != 10+10*(number%3) {
				t.Errorf("width %s: %v, %v", width, config, err)
			}
		}()
	}
	group.Wait()
}

func TestAStopLetsRequestsFinish(t *testing.T) {
	handler, _, directory := startServer(t, func(s *settings) { s.workers = 1 })
	s, _, _ := parseFlags([]string{directory})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	url := "http://" + listener.Addr().String()
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- serve(ctx, s, handler, listener) }()
	release, _ := handler.slots.acquire(ctx)
	answered := make(chan int)
	go func() {
		response, _ := get(t, url+"/photo.jpg?width=10")
		answered <- response.StatusCode
	}()
	for len(handler.slots.queued) < 2 {
		time.Sleep(time.Millisecond)
	}
	stop()
	for !handler.draining.Load() {
		time.Sleep(time.Millisecond)
	}
	release()
	if status := <-answered; status != 200 {
		t.Error(status)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if _, err := net.Dial("tcp", listener.Addr().String()); err == nil {
		t.Error("the port is still open")
	}
}

func TestRequestsThatDoNotEndDoNotStopAStop(t *testing.T) {
	handler, _, directory := startServer(t, func(s *settings) { s.workers = 1 })
	s, _, _ := parseFlags([]string{"-grace-period", "10ms", directory})
	listener, _ := net.Listen("tcp", "127.0.0.1:0")
	ctx, stop := context.WithCancel(context.Background())
	release, _ := handler.slots.acquire(ctx)
	defer release()
	go http.Get("http://" + listener.Addr().String() + "/photo.jpg?width=10")
	go func() {
		for len(handler.slots.queued) < 2 {
			time.Sleep(time.Millisecond)
		}
		stop()
	}()
	if err := serve(ctx, s, handler, listener); err == nil || err.Error() != "requests were still open after 10ms" {
		t.Error(err)
	}
}

func TestADrainingServerIsNotHealthy(t *testing.T) {
	handler, web, _ := startServer(t, nil)
	handler.draining.Store(true)
	response, data := get(t, web.URL+"/healthz")
	if response.StatusCode != 503 || string(data) != "the server is about to end\n" {
		t.Error(response.StatusCode, string(data))
	}
}

func TestACacheInsideTheFolderIsRefused(t *testing.T) {
	directory := t.TempDir()
	for _, inner := range []string{directory, filepath.Join(directory, "a", "b"), filepath.Join(directory, "a", "..", "c")} {
		_, err := newServer(settings{workers: 1, cacheFolder: inner}, directory)
		if err == nil || !strings.HasPrefix(err.Error(), "the cache is inside the folder of pictures") {
			t.Errorf("%s: %v", inner, err)
		}
	}
	if isBelow(filepath.Join(directory, "..", "c"), directory) || isBelow(directory+"-cache", directory) {
		t.Error("a folder next to it is not inside")
	}
}

func TestInvalidOptions(t *testing.T) {
	for expected, args := range map[string][]string{
		"name one folder of pictures: go-server [options] FOLDER; go-server -help lists the options": {},
		"-workers and -connections are at least 1, -queue is at least 0":                             {"-workers", "0", "x"},
	} {
		if _, _, err := parseFlags(args); err == nil || err.Error() != expected {
			t.Errorf("%v: %v", args, err)
		}
	}
	_, err := newServer(settings{}, filepath.Join(t.TempDir(), "missing"))
	if err == nil || !strings.HasPrefix(err.Error(), "the folder of pictures cannot be opened: ") {
		t.Error(err)
	}
}
