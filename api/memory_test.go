package api_test

import (
	"bufio"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"thalassa/live"
)

// BenchmarkSubscriberMemory measures what an open websocket keeps in the server,
// with clients that are sockets and nothing else.
func BenchmarkSubscriberMemory(b *testing.B) {
	const subscribers = 1000
	s := streamingFixture(b)
	s.put("/backends/live", `{"type":"static","members":[{"host":"10.1.1.1","port":80}]}`)
	memory := func() (heap, stacks float64) {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&m)
		return float64(m.HeapAlloc), float64(m.StackInuse)
	}
	address := strings.TrimPrefix(s.url, "http://")
	conns := make([]net.Conn, subscribers)
	reader := bufio.NewReader(nil)
	heap, stacks := memory()
	for i := range conns {
		conns[i] = rawSubscriber(b, address, reader)
	}
	<-time.After(time.Second)
	b.ReportMetric(0, "ns/op")
	heapAfter, stacksAfter := memory()
	b.ReportMetric((heapAfter-heap)/subscribers/1024, "heap-KB/client")
	b.ReportMetric((stacksAfter-stacks)/subscribers/1024, "stack-KB/client")
	for _, c := range conns {
		_ = c.Close()
	}
}

// rawSubscriber follows the backends, and has read the state.
func rawSubscriber(b *testing.B, address string, reader *bufio.Reader) net.Conn {
	b.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		b.Fatal(err)
	}
	const request = "GET /streams HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" +
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: " + live.Protocol + "\r\n\r\n"
	const subscribe = `{"type":"subscribe","topics":["backends"]}`
	frame := append([]byte{0x81, 0x80 | byte(len(subscribe)), 0, 0, 0, 0}, subscribe...) // masked with zeros
	if _, err := conn.Write(append([]byte(request), frame...)); err != nil {
		b.Fatal(err)
	}
	reader.Reset(conn)
	res, err := http.ReadResponse(reader, nil)
	if err != nil || res.StatusCode != http.StatusSwitchingProtocols {
		b.Fatal(res, err)
	}
	_ = res.Body.Close() // is none
	for range 2 {        // hello and the state
		var head [2]byte
		if _, err := io.ReadFull(reader, head[:]); err != nil {
			b.Fatal(err)
		}
		size := int64(head[1])
		if size == 126 {
			var long [2]byte
			if _, err := io.ReadFull(reader, long[:]); err != nil {
				b.Fatal(err)
			}
			size = int64(binary.BigEndian.Uint16(long[:]))
		}
		if _, err := io.CopyN(io.Discard, reader, size); err != nil {
			b.Fatal(err)
		}
	}
	return conn
}
