package lb_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"thalassa/lb"
)

// grown is intent with more objects.
func grown(t *testing.T, edits ...lb.Edit) lb.Intent {
	t.Helper()
	in, err := intent(t).ApplyAll(edits)
	if err != nil {
		t.Fatal(err)
	}
	return in
}

func section(t *testing.T, kind, name string, lines ...string) lb.Edit {
	t.Helper()
	s, err := lb.SectionSpec{Natives: lines}.Parse(kind, name)
	if err != nil {
		t.Fatal(err)
	}
	return lb.Edit{Section: &s}
}

// TestSectionsInUseStay holds that a section that a line names is not removed, and that
// the refusal names whoever uses it.
func TestSectionsInUseStay(t *testing.T) {
	t.Parallel()
	for line, kind := range map[string]string{
		"http-request auth unless { http_auth(used) }":                   "userlist",
		"acl staff http_auth_group(used) admins":                         "userlist",
		"http-request do-resolve(txn.ip,used,ipv4) hdr(Host),lower":      "resolvers",
		"tcp-request content do-resolve(txn.ip,used) ssl_fc_sni":         "resolvers",
		"http-request cache-use used":                                    "cache",
		"http-response cache-store used if { status 200 }":               "cache",
		"filter cache used":                                              "cache",
		"stick-table type ip size 1k peers used":                         "peers",
		"http-request track-sc0 src table used/t1":                       "peers",
		"http-request deny if { src,table_http_req_rate(used/t1) gt 9 }": "peers",
		"http-request deny if { src_get_gpc0(used/t1) gt 0 }":            "peers",
		"email-alert mailers used":                                       "mailers",
		"log ring@used local0":                                           "ring",
		"log 127.0.0.1:514 profile used local0":                          "log-profile",
		"errorfiles used 404 503":                                        "http-errors",
		"http-request deny deny_status 403 errorfiles used":              "http-errors",
		"use-fcgi-app used":                                              "fcgi-app",
		"bind 127.0.0.1:99 ssl crt @used/site":                           "crt-store",
		"http-request deny if { fe_conn(used) gt 9 }":                    "listen",
		"http-request deny if { src,table_conn_cur(used) gt 9 }":         "listen",
	} {
		own := "# nothing"
		if kind == "listen" {
			own = "bind 127.0.0.1:7000"
		}
		in := grown(t, section(t, kind, "used", own), section(t, kind, "idle", "# used"), lb.Edit{Frontend: rawFrontend(t, "other", "bind 127.0.0.1:98", line)})
		_, err := in.Apply(lb.Edit{Delete: "section/" + kind + "/used"})
		conflict, ok := errors.AsType[*lb.ConflictError](err)
		if !ok || !slices.Equal(conflict.By, []string{"frontend/other"}) || !strings.Contains(conflict.Error(), "frontend/other") {
			t.Errorf("%s: %v", line, err)
		}
		if _, err := in.Apply(lb.Edit{Delete: "section/" + kind + "/idle"}); err != nil {
			t.Errorf("%s: a section that is not used: %v", line, err)
		}
		if _, err := in.ApplyAll([]lb.Edit{{Delete: "section/" + kind + "/used"}, {Delete: "frontend/other"}}); err != nil {
			t.Errorf("%s: both: %v", line, err)
		}
	}
}

// TestResolversInUseStay: a server line, a default-server line and the global section name
// resolvers.
func TestResolversInUseStay(t *testing.T) {
	t.Parallel()
	for by, e := range map[string]lb.Edit{
		"backend/b":              {Backend: &lb.Backend{Key: "b", Type: "static", Mode: "http", Balance: "roundrobin", Natives: []lb.RawLine{"default-server resolvers used"}}},
		"section/listen/l":       section(t, "listen", "l", "bind :99", "server a example.org:80 resolvers used"),
		"section/defaults/d":     section(t, "defaults", "d", "default-server check resolvers used init-addr none"),
		"section/global":         section(t, "global", "", "httpclient.resolvers.id used"),
		"section/log-forward/lf": section(t, "log-forward", "lf", "log ring@used local0"),
	} {
		used := section(t, "resolvers", "used", "nameserver a 127.0.0.1:53")
		if by == "section/log-forward/lf" {
			used = section(t, "ring", "used", "size 1024")
		}
		in := grown(t, used, e)
		_, err := in.Apply(lb.Edit{Delete: used.ID()})
		conflict, ok := errors.AsType[*lb.ConflictError](err)
		if !ok || !slices.Equal(conflict.By, []string{by}) {
			t.Errorf("%s: %v", by, err)
		}
	}
}

// TestNamesOfOtherKindsDoNotKeepObjects: a certificate or a userlist may have the name of a
// backend that a line names.
func TestNamesOfOtherKindsDoNotKeepObjects(t *testing.T) {
	t.Parallel()
	cert := lb.Certificate{Key: "live", Files: []lb.PEMFile{{Digest: strings.Repeat("0", 64), KeyType: "RSA", Chain: []lb.X509{{}}}}}
	in := grown(t, lb.Edit{Certificate: &cert}, section(t, "userlist", "live", "user a insecure-password b"),
		lb.Edit{Frontend: rawFrontend(t, "other", "bind 127.0.0.1:98", "http-request deny if { nbsrv(live) lt 1 }")})
	for _, id := range []string{"certificate/live", "section/userlist/live"} {
		if _, err := in.Apply(lb.Edit{Delete: id}); err != nil {
			t.Errorf("%s: %v", id, err)
		}
	}
	if _, err := in.Apply(lb.Edit{Delete: "backend/live"}); !errors.As(err, new(*lb.ConflictError)) {
		t.Errorf("backend/live: %v", err)
	}
}
