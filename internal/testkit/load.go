package testkit

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"thalassa/internal/wake"
)

// LoadConfig says how many clients send requests, and how.
type LoadConfig struct {
	// Address is the host:port to ask, Host the Host header.
	Address, Host string
	// KeepAlive clients each keep one connection, Fresh ones open a new one for
	// every request.
	KeepAlive, Fresh int
	// Pause of a client between two requests; 0: none.
	Pause time.Duration
	// For limits the duration of the load (60 s).
	For time.Duration
}

// A LoadResult is what the clients saw.
type LoadResult struct {
	Requests int
	// Failed requests got no 200: a refused or reset connection, an answer cut
	// off, another status. A request is never repeated.
	Failed int
	// Errors are the first few of them, Failures the first 200,000.
	Errors   []string
	Failures []Failure
	// First and Last are when each answer (the body, trimmed) was read for the first
	// and for the last time, Begun when the last request that got it began, with its
	// connection open already.
	First, Last, Begun map[string]time.Time
	// Count is how often.
	Count map[string]int
}

// A Failure is one request that failed: when its connection was opened, when it
// began, when it had failed.
type Failure struct {
	Opened, Begun, Ended time.Time
	Error                string
}

// A Load is a number of clients that ask in closed loops.
type Load struct {
	cfg    LoadConfig
	cancel context.CancelFunc
	done   sync.WaitGroup

	mu     sync.Mutex
	result LoadResult
}

// StartLoad lets the clients begin. The caller must Stop them; the test's end
// does it too.
func StartLoad(tb testing.TB, cfg LoadConfig) *Load {
	tb.Helper()
	if cfg.For == 0 {
		cfg.For = time.Minute
	}
	ctx, cancel := context.WithTimeout(context.Background(), cfg.For)
	l := &Load{cfg: cfg, cancel: cancel, result: LoadResult{
		First: map[string]time.Time{}, Last: map[string]time.Time{}, Begun: map[string]time.Time{}, Count: map[string]int{},
	}}
	for i := range cfg.KeepAlive + cfg.Fresh {
		l.done.Go(func() { l.client(ctx, i, i < cfg.KeepAlive) })
	}
	tb.Cleanup(func() { l.Stop() })
	return l
}

// Result is what was seen so far.
func (l *Load) Result() LoadResult {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.result
	r.First, r.Last, r.Begun, r.Count = maps.Clone(r.First), maps.Clone(r.Last), maps.Clone(r.Begun), maps.Clone(r.Count)
	r.Errors, r.Failures = slices.Clone(r.Errors), slices.Clone(r.Failures)
	return r
}

// Await runs the load until n requests were answered or failed, or its time is
// over.
func (l *Load) Await(n int) {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(l.cfg.For)
	for {
		select {
		case <-tick.C:
			if l.Result().Requests >= n {
				return
			}
		case <-deadline:
			return
		}
	}
}

// Stop ends the clients after their request under way.
func (l *Load) Stop() LoadResult {
	l.cancel()
	l.done.Wait()
	return l.Result()
}

func (l *Load) client(ctx context.Context, number int, keepAlive bool) {
	// An address of its own for each client keeps closed connections in
	// TIME_WAIT from running out of ports.
	dialer := net.Dialer{Timeout: 5 * time.Second, LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 1, byte(number%250+1))}}
	var conn net.Conn
	var opened time.Time
	var reader *bufio.Reader
	drop := func() {
		if conn != nil {
			_ = conn.Close()
			conn = nil
		}
	}
	defer drop()
	for ctx.Err() == nil {
		if conn == nil {
			var err error
			opened = time.Now()
			if conn, err = dialer.Dial("tcp", l.cfg.Address); err != nil {
				conn = nil
				l.record(opened, opened, "", fmt.Errorf("connecting: %w", err))
				_ = wake.Pause(ctx, 10*time.Millisecond)
				continue
			}
			reader = bufio.NewReader(conn)
		}
		begun := time.Now()
		body, reusable, err := l.ask(conn, reader, keepAlive)
		l.record(opened, begun, body, err)
		if err != nil || !reusable || !keepAlive {
			drop()
		}
		if l.cfg.Pause > 0 {
			_ = wake.Pause(ctx, l.cfg.Pause)
		}
	}
}

// ask sends one request and reads its answer.
func (l *Load) ask(conn net.Conn, reader *bufio.Reader, keepAlive bool) (body string, reusable bool, err error) {
	connection := "close"
	if keepAlive {
		connection = "keep-alive"
	}
	_ = conn.SetDeadline(time.Now().Add(15 * time.Second))
	host := l.cfg.Host
	if host == "" {
		host = l.cfg.Address
	}
	if _, err := fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: %s\r\nConnection: %s\r\n\r\n", host, connection); err != nil {
		return "", false, fmt.Errorf("asking (keep-alive %t): %w", keepAlive, err)
	}
	answer, err := http.ReadResponse(reader, nil)
	if err != nil {
		return "", false, fmt.Errorf("reading the answer (keep-alive %t): %w", keepAlive, err)
	}
	defer answer.Body.Close()
	data, err := io.ReadAll(answer.Body)
	if err != nil {
		return "", false, fmt.Errorf("reading the body (keep-alive %t): %w", keepAlive, err)
	}
	body = strings.TrimSpace(string(data))
	if answer.StatusCode != http.StatusOK {
		return "", false, fmt.Errorf("answer %s: %.60s", answer.Status, body)
	}
	return body, !answer.Close, nil
}

func (l *Load) record(opened, begun time.Time, body string, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.result.Requests++
	if err == nil {
		now := time.Now()
		if l.result.Count[body] == 0 {
			l.result.First[body] = now
		}
		l.result.Last[body] = now
		if begun.After(l.result.Begun[body]) {
			l.result.Begun[body] = begun
		}
		l.result.Count[body]++
		return
	}
	l.result.Failed++
	if len(l.result.Errors) < 5 {
		l.result.Errors = append(l.result.Errors, err.Error())
	}
	if len(l.result.Failures) < 200_000 {
		l.result.Failures = append(l.result.Failures, Failure{Opened: opened, Begun: begun, Ended: time.Now(), Error: err.Error()})
	}
}
