package e2e_test

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"thalassa/internal/testkit"
)

// A proxied connection tells of the address that its header of the PROXY protocol names.
type proxied struct {
	net.Conn

	r      *bufio.Reader
	client string // "none" where the header says that the load balancer itself asks
}

func (p *proxied) Read(b []byte) (int, error) { return p.r.Read(b) }

// A proxyListener demands a header of the PROXY protocol, of version 1 or 2.
type proxyListener struct{ net.Listener }

func (l proxyListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		_ = conn.SetReadDeadline(time.Now().Add(patience))
		r := bufio.NewReader(conn)
		client, err := readProxyHeader(r)
		if err != nil {
			_ = conn.Close()
			continue
		}
		_ = conn.SetReadDeadline(time.Time{})
		return &proxied{conn, r, client}, nil
	}
}

// readProxyHeader reads what the specification of the PROXY protocol (2.1, 2.2) says.
func readProxyHeader(r *bufio.Reader) (string, error) {
	first, err := r.Peek(1)
	if err != nil {
		return "", err
	}
	if first[0] == 'P' {
		line, err := r.ReadString('\n')
		if err != nil {
			return "", err
		}
		f := strings.Fields(line)
		if len(f) == 6 && f[0] == "PROXY" {
			return f[2], nil
		}
		if len(f) == 2 && f[1] == "UNKNOWN" {
			return "none", nil
		}
		return "", fmt.Errorf("header %q", line)
	}
	head := make([]byte, 16)
	if _, err := io.ReadFull(r, head); err != nil {
		return "", err
	}
	if string(head[:12]) != "\r\n\r\n\x00\r\nQUIT\n" {
		return "", errors.New("no header of the PROXY protocol")
	}
	rest := make([]byte, binary.BigEndian.Uint16(head[14:]))
	if _, err := io.ReadFull(r, rest); err != nil {
		return "", err
	}
	if head[12] == 0x20 { // LOCAL
		return "none", nil
	}
	switch head[13] >> 4 {
	case 1:
		a, _ := netip.AddrFromSlice(rest[:4])
		return a.String(), nil
	case 2:
		a, _ := netip.AddrFromSlice(rest[:16])
		return a.String(), nil
	}
	return "", fmt.Errorf("family %x", head[13])
}

// startProxyWeb serves, to those who begin with a header of the PROXY protocol, the address
// in it.
func startProxyWeb(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	type key struct{}
	server := &http.Server{
		ReadHeaderTimeout: patience,
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, key{}, c.(*proxied).client)
		},
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Context().Value(key{})) }),
	}
	go func() { _ = server.Serve(proxyListener{l}) }() // ends with Close
	t.Cleanup(func() { _ = server.Close() })
	return l.Addr().(*net.TCPAddr).Port
}

// askProxied asks the frontend after a header, or without one; it returns the body.
func askProxied(address, header string) (string, error) {
	conn, err := net.DialTimeout("tcp", address, patience)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(3 * time.Second))
	if _, err := io.WriteString(conn, header+"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"); err != nil {
		return "", err
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("status %d: %s", resp.StatusCode, body)
	}
	return string(body), err
}

// TestClientAddressReachesMembers leads a client's address through two load balancers: from
// the header that the frontend accepts into the one that the member gets.
func TestClientAddressReachesMembers(t *testing.T) {
	onEveryHAProxy(t, func(t *testing.T) {
		t.Helper()
		n := newNode(t, "127.0.0.1:1")
		n.start()
		put := func(version string, count int) map[string]any {
			members := make([]string, count)
			for i := range members {
				port := startProxyWeb(t)
				members[i] = fmt.Sprintf(`{"host":"127.0.0.1","port":%d,"target":"m%d"}`, port, port)
			}
			return n.call(200, http.MethodPut, "/backends/live", fmt.Sprintf(`{"type":"static","members":[%s],"sendProxy":%q,"health":{"interval":100}}`,
				strings.Join(members, ","), version))
		}
		trusting := fmt.Sprintf(`{"bind":"127.0.0.1:%d","backend":"live","acceptProxy":["127.0.0.1","fd00::/8"]}`, n.web)
		v1 := "PROXY TCP4 192.0.2.7 192.0.2.1 4000 80\r\n"
		expect := func(header, want string) {
			t.Helper()
			testkit.Eventually(t, patience, func() error {
				got, err := askProxied(n.address(), header)
				if err != nil || got != want {
					return fmt.Errorf("the member saw %q, expected %q: %w", got, want, errors.Join(err, errors.New("no such client")))
				}
				return nil
			})
		}
		for _, version := range []string{"v1", "v2", "v2-ssl", "v2-ssl-cn"} {
			put(version, 1)
			n.call(200, http.MethodPut, "/frontends/web", trusting)
			expect(v1, "192.0.2.7")
			expect("PROXY TCP6 2001:db8::7 2001:db8::1 4000 80\r\n", "2001:db8::7")
		}
		if _, err := askProxied(n.address(), ""); err == nil {
			t.Error("a connection without the header that is demanded was answered")
		}
		n.withoutReload(func() { // slots and their checks keep the header
			if path := put("v2-ssl-cn", 12)["path"]; path != "runtime" {
				t.Errorf("the path to more members than lines was %v", path)
			}
			for range 24 {
				expect(v1, "192.0.2.7")
			}
		})

		// Others than the sources listed have no word on the client's address.
		n.call(200, http.MethodPut, "/frontends/web", fmt.Sprintf(`{"bind":"127.0.0.1:%d","backend":"live","acceptProxy":["192.0.2.0/24"]}`, n.web))
		expect("", "127.0.0.1")
		if got, err := askProxied(n.address(), v1); err == nil {
			t.Errorf("a header of a source that is not listed was taken: %q", got)
		}
	})
}
