package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"example.org/go-server/vips"
)

const sniffLength = 4096

// server answers requests for pictures; `draining` is set when the program is to end.
type server struct {
	folder     *folder
	cache      *cache
	slots      *slots
	flights    flights
	formats    []string
	pixelLimit int64
	timeLimit  time.Duration
	maxAge     time.Duration
	draining   atomic.Bool
}

// failure is an answer that is not a picture. Details are for the log: they may name files of this machine.
type failure struct {
	status int
	text   string
	detail string
}

func (f failure) Error() string { return f.text }

func (s *server) ServeHTTP(writer http.ResponseWriter, request *http.Request) {
	start := time.Now()
	response := &recorder{ResponseWriter: writer, status: http.StatusOK}
	facts := []slog.Attr{
		slog.String("method", request.Method), slog.String("path", request.URL.Path),
		slog.String("query", request.URL.RawQuery), slog.String("client", request.RemoteAddr),
	}
	writer.Header().Set("X-Content-Type-Options", "nosniff")
	source, err := s.answer(response, request)
	if err != nil {
		refusal := explain(err)
		if refusal.status == http.StatusServiceUnavailable {
			writer.Header().Set("Retry-After", "1")
		}
		writer.Header().Set("Cache-Control", "no-store")
		http.Error(response, refusal.text, refusal.status)
		facts = append(facts, slog.String("error", refusal.text), slog.String("detail", refusal.detail))
	}
	facts = append(facts, slog.Int("status", response.status), slog.Int64("bytes", response.bytes),
		slog.String("source", source), slog.Float64("milliseconds", float64(time.Since(start).Microseconds())/1000))
	level := slog.LevelInfo
	if response.status >= http.StatusInternalServerError {
		level = slog.LevelWarn
	}
	slog.LogAttrs(request.Context(), level, "request", facts...)
}

// answer writes the response, and returns where it came from: "file", "cache", "made" or "health".
func (s *server) answer(writer http.ResponseWriter, request *http.Request) (string, error) {
	if request.Method != http.MethodGet && request.Method != http.MethodHead {
		writer.Header().Set("Allow", "GET, HEAD")
		return "", failure{status: http.StatusMethodNotAllowed, text: "only GET and HEAD are allowed"}
	}
	if request.URL.Path == "/healthz" {
		return "health", s.answerHealth(writer)
	}
	query, err := parseQuery(request.URL.RawQuery)
	if err != nil {
		return "", failure{status: http.StatusBadRequest, text: err.Error()}
	}
	file, status, err := s.folder.open(request.URL.Path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	head := make([]byte, sniffLength)
	count, err := io.ReadFull(file, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return "", err
	}
	original := vips.FindFormat(head[:count])
	if original == "" {
		return "", vips.ErrNotAPicture
	}
	writer.Header().Set("Cache-Control", fmt.Sprintf("public, max-age=%d", int(s.maxAge.Seconds())))
	if request.URL.RawQuery == "" {
		writer.Header().Set("Content-Type", mediaTypes[original])
		writer.Header().Set("ETag", `"`+hashKey(version(status))[:sumLength]+`"`)
		http.ServeContent(writer, request, "", status.ModTime(), file)
		return "file", nil
	}
	if query.format == "" {
		writer.Header().Set("Vary", "Accept")
		query.format = negotiate(strings.Join(request.Header.Values("Accept"), ","), original, s.formats)
	}
	if !slices.Contains(s.formats, query.format) {
		text := "the format is none of " + strings.Join(s.formats, ", ") + ", which this server writes"
		return "", failure{status: http.StatusNotAcceptable, text: text}
	}
	return s.answerThumbnail(writer, request, query, status)
}

func (s *server) answerThumbnail(
	writer http.ResponseWriter, request *http.Request, query query, status fs.FileInfo,
) (string, error) {
	if query.quality == 0 {
		query.quality = defaultQuality
	}
	key := hashKey(vips.Version, request.URL.Path, version(status), fmt.Sprint(query))
	source := "cache"
	data, found := s.cache.get(key)
	if !found {
		source = "made"
		var err error
		data, err = s.flights.do(request.Context(), key, func() ([]byte, error) {
			return s.makeThumbnail(request.URL.Path, query, key)
		})
		if err != nil {
			return source, err
		}
	}
	writer.Header().Set("Content-Type", mediaTypes[query.format])
	writer.Header().Set("ETag", `"`+contentSum(data)+`"`)
	http.ServeContent(writer, request, "", status.ModTime(), bytes.NewReader(data))
	return source, nil
}

// makeThumbnail does not depend on one request: several may wait for its result.
func (s *server) makeThumbnail(path string, query query, key string) ([]byte, error) {
	release, err := s.slots.acquire(context.Background())
	if err != nil {
		return nil, err
	}
	defer release()
	original, err := s.folder.read(path)
	if err != nil {
		return nil, err
	}
	data, err := vips.Thumbnail(original, vips.Options{
		Width: query.width, Height: query.height, Quality: query.quality, Format: query.format,
		PixelLimit: s.pixelLimit, TimeLimit: s.timeLimit,
	})
	if err == nil {
		s.cache.put(key, data)
	}
	return data, err
}

func (s *server) answerHealth(writer http.ResponseWriter) error {
	if s.draining.Load() {
		return failure{status: http.StatusServiceUnavailable, text: "the server is about to end"}
	}
	writer.Header().Set("Content-Type", "application/json")
	writer.Header().Set("Cache-Control", "no-store")
	_, err := fmt.Fprintf(writer, "{\"status\": \"ok\", \"libvips\": %s, \"formats\": [\"%s\"]}\n",
		strconv.Quote(vips.Version), strings.Join(s.formats, `", "`))
	return err
}

// explain returns the answer to an error, which names no file of this machine.
func explain(err error) failure {
	var refusal failure
	if errors.As(err, &refusal) {
		return refusal
	}
	refusal = failure{status: http.StatusInternalServerError, text: "the picture cannot be read", detail: err.Error()}
	for _, known := range []struct {
		err    error
		status int
	}{
		{errLeavesFolder, http.StatusBadRequest},
		{errFileTooLarge, http.StatusRequestEntityTooLarge},
		{errBusy, http.StatusServiceUnavailable},
		{vips.ErrNotAPicture, http.StatusUnsupportedMediaType},
		{vips.ErrTooLarge, http.StatusRequestEntityTooLarge},
		{vips.ErrDamaged, http.StatusUnprocessableEntity},
		{vips.ErrTimeout, http.StatusGatewayTimeout},
	} {
		if errors.Is(err, known.err) {
			refusal.status, refusal.text = known.status, known.err.Error()
		}
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		refusal.status, refusal.text = http.StatusNotFound, "there is no such picture"
	case errors.Is(err, vips.ErrTooLarge), errors.Is(err, errFileTooLarge):
		refusal.text = err.Error()
	case errors.Is(err, context.Canceled):
		refusal.status, refusal.text = 499, "the client left"
	}
	return refusal
}

// recorder notes what is written, for the log.
type recorder struct {
	http.ResponseWriter
	status int
	bytes  int64
}

func (r *recorder) WriteHeader(status int) {
	r.status = status
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(data []byte) (int, error) {
	count, err := r.ResponseWriter.Write(data)
	r.bytes += int64(count)
	return count, err
}
