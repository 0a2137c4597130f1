package main

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"
)

var errBusy = errors.New("the server is busy")

// slots bounds how many thumbnails are made at a time, and how long and how many requests wait for one.
type slots struct {
	running, queued chan struct{}
	patience        time.Duration
}

func newSlots(running, queued int, patience time.Duration) *slots {
	return &slots{make(chan struct{}, running), make(chan struct{}, running+queued), patience}
}

// acquire waits for a slot. It fails at once if too many wait already.
func (s *slots) acquire(ctx context.Context) (release func(), err error) {
	select {
	case s.queued <- struct{}{}:
	default:
		return nil, errBusy
	}
	timer := time.NewTimer(s.patience)
	defer timer.Stop()
	select {
	case s.running <- struct{}{}:
		return func() { <-s.running; <-s.queued }, nil
	case <-timer.C:
		err = errBusy
	case <-ctx.Done():
		err = ctx.Err()
	}
	<-s.queued
	return nil, err
}

// flights lets requests for one result that arrive while it is computed share the computation.
type flights struct {
	mutex   sync.Mutex
	running map[string]*flight
}

type flight struct {
	done   chan struct{}
	result []byte
	err    error
}

// do calls compute once for all callers with the same key at a time. A caller whose context ends leaves; the computation
// continues for the others.
func (f *flights) do(ctx context.Context, key string, compute func() ([]byte, error)) ([]byte, error) {
	f.mutex.Lock()
	current, found := f.running[key]
	if !found {
		current = &flight{done: make(chan struct{})}
		if f.running == nil {
			f.running = map[string]*flight{}
		}
		f.running[key] = current
		go func() {
			defer func() {
				f.mutex.Lock()
				delete(f.running, key)
				f.mutex.Unlock()
				close(current.done)
			}()
			current.result, current.err = compute()
		}()
	}
	f.mutex.Unlock()
	select {
	case <-current.done:
		return current.result, current.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// limitedListener accepts a bounded number of connections; further ones wait in the queue of the system.
type limitedListener struct {
	net.Listener
	slots  chan struct{}
	closed chan struct{}
	once   sync.Once
}

func limitConnections(listener net.Listener, count int) net.Listener {
	return &limitedListener{Listener: listener, slots: make(chan struct{}, count), closed: make(chan struct{})}
}

func (l *limitedListener) Accept() (net.Conn, error) {
	select {
	case l.slots <- struct{}{}:
	case <-l.closed:
		return nil, net.ErrClosed
	}
	conn, err := l.Listener.Accept()
	if err != nil {
		<-l.slots
		return nil, err
	}
	return &limitedConn{Conn: conn, release: func() { <-l.slots }}, nil
}

func (l *limitedListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

type limitedConn struct {
	net.Conn
	once    sync.Once
	release func()
}

func (c *limitedConn) Close() error {
	err := c.Conn.Close()
	c.once.Do(c.release)
	return err
}
