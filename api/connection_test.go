package api_test

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// A peer that sends its request too slowly is cut off.
func TestSlowRequestsAreCutOff(t *testing.T) {
	const body = " HTTP/1.1\r\nHost: localhost\r\nContent-Length: 17\r\n\r\n{\"type\":"
	for text, want := range map[string]time.Duration{
		"":                               10 * time.Second,
		"PUT /backends/x HTTP/1.1\r\nHo": 10 * time.Second,
		"PUT /backends/x" + body:         30 * time.Second,
		"GET /frontends" + body:          30 * time.Second, // read by nobody
	} {
		t.Run(text, func(t *testing.T) {
			inBubble(t, nil, func(b *bubble) {
				t := b.t
				conn, err := b.listener.dial(t.Context(), "", "")
				if err != nil {
					t.Fatal(err)
				}
				begin := time.Now()
				if _, err := io.WriteString(conn, text); err != nil {
					t.Fatal(err)
				}
				if _, err := io.Copy(io.Discard, conn); err != nil {
					t.Fatal(err)
				}
				if d := time.Since(begin).Round(time.Second); d != want {
					t.Errorf("cut off after %v, want %v", d, want)
				}
			})
		})
	}
}

// A peer that does not read its answer is cut off.
func TestSlowReadersAreCutOff(t *testing.T) {
	inBubble(t, nil, func(b *bubble) {
		t := b.t
		conn, err := b.listener.dial(t.Context(), "", "")
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := io.WriteString(conn, "GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		<-time.After(2 * time.Minute) // in the bubble
		if n, err := io.Copy(io.Discard, conn); n > 8<<10 || err != nil {
			t.Errorf("%d bytes were kept for two minutes, %v", n, err)
		}
	})
}

// The time that one answer got is not what the next one has left.
func TestAConnectionIsGoodForLong(t *testing.T) {
	inBubble(t, nil, func(b *bubble) {
		t := b.t
		conn, err := b.listener.dial(t.Context(), "", "")
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		reader := bufio.NewReader(conn)
		for range 3 {
			if _, err := io.WriteString(conn, "PUT /backends/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 17\r\nExpect: 100-continue\r\n\r\n"); err != nil {
				t.Fatal(err)
			}
			if line, err := reader.ReadString('\n'); err != nil || line != "HTTP/1.1 100 Continue\r\n" {
				t.Fatalf("answer %q, %v", line, err)
			}
			if _, err := io.WriteString(conn, `{"type":"static"}`); err != nil {
				t.Fatal(err)
			}
			if _, err := reader.ReadString('\n'); err != nil {
				t.Fatal(err)
			}
			res, err := http.ReadResponse(reader, nil)
			if err != nil || res.StatusCode != http.StatusOK {
				t.Fatalf("%+v, %v", res, err)
			}
			if _, err := io.Copy(io.Discard, res.Body); err != nil {
				t.Fatal(err)
			}
			_ = res.Body.Close()
			<-time.After(time.Minute) // in the bubble
		}
	})
}

func TestLargeHeadersAreRefused(t *testing.T) {
	inBubble(t, nil, func(b *bubble) {
		t := b.t
		conn, err := b.listener.dial(t.Context(), "", "")
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		go fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: localhost\r\nX: %s\r\n\r\n", strings.Repeat("x", 1<<20))
		line, err := bufio.NewReader(conn).ReadString('\n')
		if err != nil || !strings.Contains(line, "431") {
			t.Errorf("answer %q, %v", line, err)
		}
	})
}
