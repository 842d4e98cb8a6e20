package e2e_test

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"thalassa/internal/testkit"
	"thalassa/listen"
	"thalassa/statsock"
)

// renew writes a new certificate with its key to a file that a raw bind names, and
// returns the certificate.
func renew(t *testing.T, file string) []byte {
	t.Helper()
	dir := t.TempDir()
	made, err := listen.NewSelfSigned(listen.SelfSignedConfig{Dir: dir, Names: func() []string { return []string{"127.0.0.1"} }})
	if err != nil {
		t.Fatal(err)
	}
	var pem []byte
	for _, part := range []string{"api.crt", "api.key"} {
		data, err := os.ReadFile(dir + "/" + part)
		if err != nil {
			t.Fatal(err)
		}
		pem = append(pem, data...)
	}
	if err := os.WriteFile(file, pem, 0o600); err != nil {
		t.Fatal(err)
	}
	return made.Certificate().Leaf.Raw
}

// shownCertificate is what a new connection gets.
func shownCertificate(address string) ([]byte, error) {
	dialer := tls.Dialer{NetDialer: &net.Dialer{Timeout: patience}, Config: &tls.Config{InsecureSkipVerify: true}} //nolint:gosec // it is compared
	conn, err := dialer.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	return conn.(*tls.Conn).ConnectionState().PeerCertificates[0].Raw, nil //nolint:forcetypeassert // as documented
}

// health is HAProxy's word about a server: its status, its last check and since when.
func (n *node) health(address string) (s statsock.Stat, err error) {
	stats, err := statsock.New(n.path("h.sock")).ShowStat(n.tb.Context())
	if err != nil {
		return s, err
	}
	i := slices.IndexFunc(stats, func(s statsock.Stat) bool { return s.Kind == statsock.KindServer && s.Address == address })
	if i < 0 {
		return s, errors.New("there is no server " + address)
	}
	return stats[i], nil
}

// A reload that somebody asks for, by the API or by SIGHUP, serves renewed certificates that
// raw lines name. A server that was down stays down, with its check and the time since when,
// also in the first moment of the new worker.
func TestReloadsServeRenewedCertificatesAndKeepHealth(t *testing.T) {
	for _, binary := range testkit.HAProxies(t) {
		t.Run(binary.Version, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			n := newNode(t, testkit.Consul(t).Address(), "--natives-dirs", dir)
			n.haproxy = binary.Path
			n.start()
			good, dead, file := testkit.StartWeb(t, "good").Port, testkit.Ports(t, 1)[0], dir+"/site.pem"
			renew(t, file)
			n.call(200, http.MethodPut, "/backends/live", fmt.Sprintf(
				`{"type":"static","members":[{"host":"127.0.0.1","port":%d},{"host":"127.0.0.1","port":%d}],"natives":["default-server check inter 1s fall 2"]}`, good, dead))
			secure := fmt.Sprintf("127.0.0.1:%d", testkit.Ports(t, 1)[0])
			n.call(200, http.MethodPut, "/frontends/web", fmt.Sprintf(`{"bind":"127.0.0.1:%d","backend":"live","natives":["bind %s ssl crt %s"]}`, n.web, secure, file))
			address := fmt.Sprintf("127.0.0.1:%d", dead)
			events := func(verb string) int {
				_, body := n.try(http.MethodGet, "/activity?limit=1000&filter="+verb, "")
				return strings.Count(body, `"`+verb+`"`)
			}
			testkit.Eventually(t, patience, func() error {
				if s, err := n.health(address); err != nil || s.Status != "DOWN" || s.LastChange < 3*time.Second || events("memberDown") != 1 {
					return fmt.Errorf("%+v, %w, %d times memberDown", s, err, events("memberDown"))
				}
				return nil
			})
			seen := n.worker()
			for name, reload := range map[string]func(){
				"POST /haproxy/reload": func() { n.call(200, http.MethodPost, "/haproxy/reload", "") },
				"SIGHUP": func() {
					n.hangUp()
					testkit.Eventually(t, patience, func() error {
						if n.worker() == seen {
							return errors.New("there is no new worker")
						}
						return nil
					})
				},
			} {
				leaf := renew(t, file)
				reload()
				s, err := n.health(address)
				if err != nil || s.Status != "DOWN" || !strings.Contains(s.CheckStatus, "L4CON") {
					t.Errorf("%s: %s, check %s, %v; want DOWN, L4CON", name, s.Status, s.CheckStatus, err)
				}
				if s.LastChange < 3*time.Second {
					t.Errorf("%s: it has been down for %v, want 3s or more", name, s.LastChange)
				}
				testkit.Eventually(t, patience, func() error { // the former worker may still get a connection
					if shown, err := shownCertificate(secure); err != nil || !bytes.Equal(shown, leaf) {
						return fmt.Errorf("%s: another certificate is served, %w", name, err)
					}
					return nil
				})
				n.answers("good")
				seen = n.worker()
			}
			if up, down := events("memberUp"), events("memberDown"); up != 0 || down != 1 {
				t.Errorf("%d events memberUp and %d memberDown, want 0 and 1", up, down)
			}
		})
	}
}
