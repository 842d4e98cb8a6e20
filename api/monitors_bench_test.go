package api_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"thalassa/api"
	"thalassa/api/apitest"
	"thalassa/cluster"
	"thalassa/listen"
)

// monitorServer is the environment variable that makes this process the server of
// BenchmarkMonitors: a directory for its certificate, or "plain".
const monitorServer = "THALASSA_TEST_MONITOR_SERVER"

func TestMain(m *testing.M) {
	if mode := os.Getenv(monitorServer); mode != "" {
		if err := serveMonitors(mode, os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// serveMonitors serves an API with a cluster. It prints its address, and obeys lines until
// their end: "memory N" prints its resident memory in KB once N requests wait, and "change"
// changes the CIB.
func serveMonitors(mode string, in io.Reader, out io.Writer) error {
	n, err := apitest.New(nil)
	if err != nil {
		return err
	}
	pcmk, cfg := apitest.NewCluster(), n.Config()
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	gate := listen.NewGate(tcp, listen.GateConfig{Most: 20_000, PerAddress: 10_000})
	var waiting atomic.Int64
	cfg.Cluster, cfg.ConnState = pcmk, func(c net.Conn, s http.ConnState) {
		gate.Track(c, s)
		if s == http.StateActive {
			waiting.Add(1)
		}
	}
	l := net.Listener(gate)
	if mode != "plain" {
		own, err := listen.NewSelfSigned(listen.SelfSignedConfig{Dir: mode, Names: func() []string { return []string{"127.0.0.1"} }})
		if err != nil {
			return err
		}
		l = listen.NewPort(gate, listen.NewTLSConfig(own, nil))
		cfg.Certificate = func() listen.Info { return listen.Describe(own) }
	}
	ctx, stop := context.WithCancel(context.Background())
	g, ctx := errgroup.WithContext(ctx)
	server := api.New(cfg)
	g.Go(func() error { return server.Serve(ctx, l) })
	fmt.Fprintln(out, tcp.Addr())
	for lines := bufio.NewScanner(in); lines.Scan(); {
		var wanted int64
		if _, err := fmt.Sscanf(lines.Text(), "memory %d", &wanted); err != nil {
			pcmk.Change(func(v *cluster.Status) { v.Epoch.Updates++ })
			continue
		}
		for waiting.Load() < wanted && ctx.Err() == nil {
			<-time.After(10 * time.Millisecond)
		}
		<-time.After(500 * time.Millisecond) // until the last handlers wait
		runtime.GC()                         // each collection halves a stack that is too large
		runtime.GC()
		debug.FreeOSMemory()
		kilobytes, err := resident()
		if err != nil {
			break
		}
		fmt.Fprintln(out, kilobytes)
	}
	stop()
	return g.Wait()
}

// resident is the resident memory of this process in KB.
func resident() (kilobytes int, err error) {
	data, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, err
	}
	_, rest, ok := strings.Cut(string(data), "VmRSS:")
	if !ok {
		return 0, errors.New("no VmRSS")
	}
	_, err = fmt.Sscan(rest, &kilobytes)
	return kilobytes, err
}

// BenchmarkMonitors measures 5,000 callers that wait for a change of the CIB: the memory of
// the server for each, and the time from a change until the last one has its answer.
func BenchmarkMonitors(b *testing.B) {
	for _, mode := range []string{"plain", "tls"} {
		b.Run(mode, func(b *testing.B) { benchmarkMonitors(b, mode == "tls") })
	}
}

func benchmarkMonitors(b *testing.B, secure bool) {
	b.Helper()
	const monitors, dialers = 5000, 20
	mode := "plain"
	if secure {
		mode = b.TempDir()
	}
	server := exec.CommandContext(b.Context(), os.Args[0])
	server.Env, server.Stderr = append(os.Environ(), monitorServer+"="+mode), os.Stderr
	in, err := server.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	pipe, err := server.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := server.Start(); err != nil {
		b.Fatal(err)
	}
	out := bufio.NewReader(pipe)
	var address string
	if _, err := fmt.Fscanln(out, &address); err != nil {
		b.Fatal(err)
	}
	memory := func(waiting int) (kilobytes int) {
		fmt.Fprintln(in, "memory", waiting)
		if _, err := fmt.Fscanln(out, &kilobytes); err != nil {
			b.Fatal(err)
		}
		return kilobytes
	}
	before := memory(0)
	conns := make([]net.Conn, monitors)
	var g errgroup.Group
	g.SetLimit(dialers)
	for i := range conns {
		g.Go(func() (err error) {
			conns[i], err = rawMonitor(b.Context(), address, secure)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(memory(monitors)-before)/monitors, "KB/monitor")
	b.ReportMetric(0, "ns/op")

	var answered errgroup.Group
	begin := time.Now()
	for _, c := range conns {
		answered.Go(func() error {
			defer c.Close()
			answer := make([]byte, 64)
			if n, err := c.Read(answer); err != nil || !strings.HasPrefix(string(answer[:n]), "HTTP/1.1 200") {
				return fmt.Errorf("%q: %w", answer[:n], err)
			}
			return nil
		})
	}
	fmt.Fprintln(in, "change")
	if err := answered.Wait(); err != nil {
		b.Error(err)
	}
	b.ReportMetric(float64(time.Since(begin).Milliseconds()), "all-answered-ms")
	if err := errors.Join(in.Close(), server.Wait()); err != nil {
		b.Error(err)
	}
}

// rawMonitor is a connection with a request that waits.
func rawMonitor(ctx context.Context, address string, secure bool) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	if secure {
		conn = tls.Client(conn, &tls.Config{InsecureSkipVerify: true}) //nolint:gosec // the server is the test's
	}
	_ = conn.SetDeadline(time.Now().Add(5 * time.Minute))
	_, err = io.WriteString(conn, "GET /monitor?0:12:34&wait=5m HTTP/1.1\r\nHost: localhost\r\n\r\n")
	return conn, err
}
