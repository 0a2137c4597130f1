// Command go-server serves the pictures of a folder, shrunk and in the format that a client prefers.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"example.org/go-server/vips"
)

const usage = `Usage: go-server [options] FOLDER

Serve the pictures of FOLDER. /a/photo.jpg is the file itself; with ?width=, height=, quality= or format= it is shrunk to
fit, and in the format that the header Accept prefers. /healthz reports whether the server accepts requests.

Options:
`

type settings struct {
	address, cacheFolder                            string
	cacheSize, fileSize, pixels                     int64
	workers, queue, connections                     int
	timeLimit, patience, maxAge, drain, gracePeriod time.Duration
}

func parseFlags(args []string) (settings, string, error) {
	var s settings
	flags := flag.NewFlagSet("go-server", flag.ContinueOnError)
	flags.Usage = func() { fmt.Fprint(flags.Output(), usage); flags.PrintDefaults() }
	flags.StringVar(&s.address, "listen", "127.0.0.1:8080", "`address` and port")
	flags.StringVar(&s.cacheFolder, "cache", "", "`folder` for thumbnails; without it they are not kept")
	flags.Int64Var(&s.cacheSize, "cache-size", 1<<30, "largest size of the cache, in `bytes`")
	flags.Int64Var(&s.fileSize, "file-size", 64<<20, "largest size of a picture's file, in `bytes`")
	flags.Int64Var(&s.pixels, "pixels", 100_000_000, "largest number of `pixels` of a picture, all frames included")
	flags.IntVar(&s.workers, "workers", runtime.GOMAXPROCS(0), "`number` of thumbnails made at a time")
	flags.IntVar(&s.queue, "queue", 64, "`number` of thumbnails that may wait for a worker")
	flags.IntVar(&s.connections, "connections", 512, "largest `number` of connections")
	flags.DurationVar(&s.timeLimit, "time-limit", 10*time.Second, "`duration` after which a thumbnail is given up")
	flags.DurationVar(&s.patience, "patience", 5*time.Second, "`duration` that a thumbnail waits for a worker")
	flags.DurationVar(&s.maxAge, "max-age", time.Hour, "`duration` for which clients keep pictures")
	flags.DurationVar(&s.drain, "drain", 0, "`duration` for which /healthz reports a stop before connections are refused")
	flags.DurationVar(&s.gracePeriod, "grace-period", 20*time.Second, "`duration` in which open requests end at a stop")
	if err := flags.Parse(args); err != nil {
		return s, "", err
	}
	if flags.NArg() != 1 {
		return s, "", errors.New("name one folder of pictures: go-server [options] FOLDER; go-server -help lists the options")
	}
	if s.workers < 1 || s.queue < 0 || s.connections < 1 {
		return s, "", errors.New("-workers and -connections are at least 1, -queue is at least 0")
	}
	return s, flags.Arg(0), nil
}

// newServer opens what the server needs; libvips must have been started.
func newServer(s settings, directory string) (*server, error) {
	folder, err := openFolder(directory, s.fileSize)
	if err != nil {
		return nil, err
	}
	result := &server{
		folder: folder, slots: newSlots(s.workers, s.queue, s.patience), pixelLimit: s.pixels,
		timeLimit: s.timeLimit, maxAge: s.maxAge,
	}
	for _, format := range formats {
		if vips.CanSave(format) {
			result.formats = append(result.formats, format)
		}
	}
	if s.cacheFolder != "" {
		if isBelow(s.cacheFolder, directory) {
			return nil, errors.New("the cache is inside the folder of pictures, which would serve it; choose another -cache")
		}
		if result.cache, err = openCache(s.cacheFolder, s.cacheSize); err != nil {
			return nil, err
		}
	}
	return result, nil
}

// isBelow resolves links, of the part of `inner` that exists.
func isBelow(inner, outer string) bool {
	resolvedOuter, err := filepath.EvalSymlinks(outer)
	if err != nil {
		return false
	}
	resolvedOuter, _ = filepath.Abs(resolvedOuter)
	inner, _ = filepath.Abs(inner)
	for rest := ""; ; inner, rest = filepath.Dir(inner), filepath.Join(filepath.Base(inner), rest) {
		if resolved, err := filepath.EvalSymlinks(inner); err == nil {
			relative, err := filepath.Rel(resolvedOuter, filepath.Join(resolved, rest))
			return err == nil && relative != ".." && !strings.HasPrefix(relative, ".."+string(filepath.Separator))
		}
		if inner == filepath.Dir(inner) {
			return false
		}
	}
}

// serve answers requests until the context ends, then lets open requests finish.
func serve(ctx context.Context, s settings, handler *server, listener net.Listener) error {
	httpServer := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      s.patience + s.timeLimit + 30*time.Second,
		IdleTimeout:       60 * time.Second,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(slog.Default().Handler(), slog.LevelWarn),
	}
	ended := make(chan error, 1)
	go func() { ended <- httpServer.Serve(limitConnections(listener, s.connections)) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	handler.draining.Store(true)
	slog.Info("stopping", "drain", s.drain.String(), "grace_period", s.gracePeriod.String())
	time.Sleep(s.drain)
	limit, cancel := context.WithTimeout(context.Background(), s.gracePeriod)
	defer cancel()
	if err := httpServer.Shutdown(limit); err != nil {
		httpServer.Close()
		return fmt.Errorf("requests were still open after %s", s.gracePeriod)
	}
	return nil
}

func run(args []string) error {
	s, directory, err := parseFlags(args)
	if err != nil {
		return err
	}
	if err := vips.Start(); err != nil {
		return err
	}
	handler, err := newServer(s, directory)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	listener, err := net.Listen("tcp", s.address)
	if err != nil {
		return err
	}
	slog.Info("listening", "address", listener.Addr().String(), "libvips", vips.Version, "formats", handler.formats,
		"workers", s.workers)
	return serve(ctx, s, handler, listener)
}

func main() {
	slog.SetDefault(slog.New(slog.NewJSONHandler(os.Stderr, nil)))
	if err := run(os.Args[1:]); errors.Is(err, flag.ErrHelp) {
		os.Exit(0)
	} else if err != nil {
		fmt.Fprintln(os.Stderr, "go-server:", err)
		os.Exit(1)
	}
	slog.Info("stopped")
}
