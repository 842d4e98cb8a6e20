package e2e_test

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"

	"thalassa/internal/testkit"
)

// stapled is the OCSP response that a client gets for a name; nil: none.
func (e *edge) stapled(name string) ([]byte, error) {
	conn, err := tls.DialWithDialer(&net.Dialer{Timeout: patience}, "tcp", fmt.Sprintf("127.0.0.1:%d", e.port), &tls.Config{ServerName: name, InsecureSkipVerify: true})
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	return conn.OCSPResponse(), nil
}

// eventuallyStaples waits until a client gets a response that is good, and another one than
// former.
func (e *edge) eventuallyStaples(former []byte) (response []byte) {
	e.tb.Helper()
	testkit.Eventually(e.tb, patience, func() error {
		var err error
		if response, err = e.stapled("shop.example"); err != nil {
			return err
		}
		if bytes.Equal(former, response) {
			return fmt.Errorf("stapled are %d bytes, as before", len(response))
		}
		r, err := ocsp.ParseResponse(response, e.ca.Certificate)
		if err == nil && r.Status != ocsp.Good {
			err = fmt.Errorf("the status is %d", r.Status)
		}
		return err
	})
	return response
}

// putStapled stores another certificate shop, which names the responder.
func (e *edge) putStapled(r *testkit.Responder, mustStaple bool) {
	e.tb.Helper()
	pair := e.ca.IssueAs(e.tb, r.Certify(mustStaple), "shop.example")
	if answer := e.call(200, http.MethodPut, "/certificates/shop", pair.Body()); answer["path"] != "runtime" {
		e.tb.Fatalf("the certificate was replaced by %v", answer["path"])
	}
}

// ocspOf is what the API says of the response of the certificate shop.
func (e *edge) ocspOf() map[string]any {
	e.tb.Helper()
	files := e.call(200, http.MethodGet, "/certificates/shop", "")["files"].([]any) //nolint:forcetypeassert // openapi.json
	about, _ := files[0].(map[string]any)["ocsp"].(map[string]any)                  //nolint:forcetypeassert // openapi.json
	return about
}

// Responses are fetched, stapled without a reload, and renewed. The newest is stapled after a
// reload, a restart and an adoption, also while the responder is away.
func TestStapling(t *testing.T) {
	onEveryHAProxy(t, func(t *testing.T) {
		t.Helper()
		e := newEdge(t, `"certificates":["shop"]`, "--ocsp-stapling", "--ocsp-allow-local")
		responder := testkit.StartResponder(t, e.ca)
		before := e.reloads()
		e.putStapled(responder, true)
		first := e.eventuallyStaples(nil)
		e.putStapled(responder, false) // another certificate
		second := e.eventuallyStaples(first)
		if n := e.reloads() - before; n != 0 {
			t.Errorf("%d reloads", n)
		}
		testkit.Eventually(t, patience, func() error {
			if about := e.ocspOf(); about["state"] != "stapled" || about["nextUpdate"] == nil || about["mustStaple"] != false {
				return fmt.Errorf("the API says %v", about)
			}
			return nil
		})
		// The same as a short one: it is renewed before it ends.
		responder.Change(func(r *ocsp.Response) {
			r.ThisUpdate, r.NextUpdate = time.Now(), time.Now().Add(5*time.Minute+10*time.Second)
		})
		e.putStapled(responder, false)
		short := e.eventuallyStaples(second)
		responder.Change(nil)
		last := e.eventuallyStaples(short)
		responder.Answer(func(w http.ResponseWriter) bool { w.WriteHeader(http.StatusServiceUnavailable); return true })
		e.staplesAfterAll(last)
	})
}

// staplesAfterAll checks that a response is stapled after a reload, a restart of HAProxy, and
// the end of the agent.
func (e *edge) staplesAfterAll(want []byte) {
	e.tb.Helper()
	check := func(after string) {
		e.tb.Helper()
		testkit.Eventually(e.tb, patience, func() error {
			got, err := e.stapled("shop.example")
			if err == nil && !bytes.Equal(got, want) {
				err = fmt.Errorf("after %s other %d bytes are stapled", after, len(got))
			}
			return err
		})
	}
	e.call(200, http.MethodPost, "/haproxy/reload", "")
	check("a reload")
	if err := syscall.Kill(e.master(), syscall.SIGKILL); err != nil {
		e.tb.Fatal(err)
	}
	check("a restart")
	e.signal(syscall.SIGKILL)
	e.start()
	check("an adoption")
	e.tamper() // the agent puts the certificate right, with its response
	check("somebody else's change")
}

// What a responder answers is not stapled unless it is signed, fresh, and says that the
// certificate is good. What is wrong is told, also in metrics.
func TestBadOCSPResponses(t *testing.T) {
	e := newEdge(t, `"certificates":["shop"]`, "--ocsp-stapling", "--ocsp-allow-local")
	foreign := testkit.StartResponder(t, testkit.NewAuthority(t))
	own := testkit.StartResponder(t, e.ca)
	tells := func(words string) {
		t.Helper()
		testkit.Eventually(t, patience, func() error {
			if about := e.ocspOf(); !strings.Contains(fmt.Sprint(about["error"]), words) {
				return fmt.Errorf("the API says %v, expected %q", about, words)
			}
			return nil
		})
		if got, err := e.stapled("shop.example"); err != nil || len(got) > 0 {
			t.Errorf("%s: %d bytes are stapled, %v", words, len(got), err)
		}
	}
	e.putStapled(foreign, false)
	tells("not usable")
	for words, change := range map[string]func(*ocsp.Response){
		"the response expired on": func(r *ocsp.Response) { r.NextUpdate = time.Now().Add(-time.Second) },
		"the response is not valid": func(r *ocsp.Response) {
			r.ThisUpdate = time.Now().Add(time.Hour)
			r.NextUpdate = time.Now().Add(2 * time.Hour)
		},
		"staples none in its last":        func(r *ocsp.Response) { r.NextUpdate = time.Now().Add(4 * time.Minute) },
		"says that the certificate is re": func(r *ocsp.Response) { r.Status, r.RevokedAt = ocsp.Revoked, time.Now() },
		"does not know the certificate":   func(r *ocsp.Response) { r.Status = ocsp.Unknown },
		"does not say until when":         func(r *ocsp.Response) { r.NextUpdate = time.Time{} },
	} {
		own.Change(change)
		e.putStapled(own, false)
		tells(words)
	}
	for _, c := range []struct {
		words  string
		answer func(http.ResponseWriter) bool
	}{
		{"more than 64 KiB", func(w http.ResponseWriter) bool { _, _ = w.Write(bytes.Repeat([]byte("x"), 100_000)); return true }},
		{"status 302", func(w http.ResponseWriter) bool {
			w.Header().Set("Location", "/")
			w.WriteHeader(http.StatusFound)
			return true
		}},
		{"refuses: ", func(w http.ResponseWriter) bool { _, _ = w.Write(ocsp.TryLaterErrorResponse); return true }},
	} {
		own.Answer(c.answer)
		e.putStapled(own, false)
		tells(c.words)
	}
	e.putStapled(own, true)
	tells("refuses: ")
	testkit.Eventually(t, patience, func() error {
		if w := fmt.Sprint(e.call(200, http.MethodGet, "/status", "")["warnings"]); !strings.Contains(w, "certificate/shop demands a stapled OCSP response") {
			return errors.New("the status warns of " + w)
		}
		return nil
	})
	if _, text := e.try(http.MethodGet, "/metrics", ""); !strings.Contains(text, `thalassa_certificate_ocsp_next_update_seconds{certificate="shop"} 0`) || !strings.Contains(text, `thalassa_certificate_ocsp_failures{certificate="shop"} 1`) {
		t.Errorf("the metrics are\n%s", text)
	}
}

// Without the setting nobody is asked, and at a local address neither.
func TestNoResponderIsAskedUnlessItMayBe(t *testing.T) {
	for name, flags := range map[string][]string{"off": nil, "local": {"--ocsp-stapling"}} {
		t.Run(name, func(t *testing.T) {
			e := newEdge(t, `"certificates":["shop"]`, flags...)
			responder := testkit.StartResponder(t, e.ca)
			e.putStapled(responder, true)
			want := map[string]string{"off": "ocsp-stapling is off", "local": "ocsp-allow-local"}[name]
			testkit.Eventually(t, patience, func() error {
				if w := fmt.Sprint(e.call(200, http.MethodGet, "/status", "")["warnings"]); !strings.Contains(w, want) {
					return errors.New("the status warns of " + w)
				}
				return nil
			})
			if n := responder.Asked.Load(); n > 0 {
				t.Errorf("%d requests", n)
			}
		})
	}
}
