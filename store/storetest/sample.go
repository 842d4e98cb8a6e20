package storetest

import (
	"net/netip"
	"strconv"
	"strings"
	"time"

	"thalassa/lb"
)

// stamp is when and by whom the n-th change of a test is made.
func stamp(n int) lb.Origin {
	return lb.Origin{
		Author: "operator-" + strconv.Itoa(n),
		Cause:  "PUT /backends/live",
		Time:   time.Date(2026, 3, 1, 12, 0, n, 987654321, time.FixedZone("", 3600)),
	}
}

// Sample is an intent that uses every field there is. version is that of its
// dynamic backend, so that another one makes another intent.
func Sample(version string) lb.Intent {
	live := lb.Backend{
		Key: "live", Type: "dynamic", Service: "shop", Version: lb.Version(version), Balance: "uri depth 2", HashStable: true, Host: "shop.example:8080",
		Health: &lb.Health{Method: "HEAD", URI: "/health?q=<&>", Version: "HTTP/1.1", Interval: 1500 * time.Millisecond},
		Mode:   "http", Natives: []lb.RawLine{"option httplog", `http-request set-header X-A "é <b> & 'c'"`},
		Transport: lb.Transport{Protocol: "h2", SendProxy: "v2-ssl", TLS: &lb.MemberTLS{
			Verify: "corp", ServerName: "shop.internal", SNI: lb.SNIHost, ALPN: []string{"h2"}, MinVersion: "1.3", Certificate: "shop", FromMeta: []string{lb.FromMetaOff},
		}},
	}
	split := lb.Backend{
		Key: "split", Type: "dynamic", Service: "shop", Balance: "roundrobin", Mode: "http",
		Versions: lb.Split{{Version: "1.0.0", Weight: 95}, {Version: "2.0.0+b~1", Weight: 5}, {Version: "3", Weight: 0}},
	}
	static := lb.Backend{
		Key: "data.base:1", Type: "static", Balance: "roundrobin", Mode: "tcp",
		Members: []lb.StaticMember{
			{HostPort: lb.HostPort{Host: "10.10.10.10", Port: 5432}, Target: "db1", Weight: lb.Weighting{IsSet: true}},
			{HostPort: lb.HostPort{Host: "fe80::1", Port: 5432}, Target: "db2", Weight: lb.Weighting{IsSet: true, Value: 200}, Disabled: true},
			{HostPort: lb.HostPort{Host: "db.example", Port: 65535}},
		},
		Defaults: "strict",
	}
	www := lb.Frontend{
		Key: "www", Binds: []lb.Bind{{Port: 80}, {Host: "::1", Port: 8080}}, Backend: "live", Mode: "http", Keepalive: "server-close",
		Rules: []lb.Rule{
			{Type: "path", Operation: "path_beg", Values: []string{"/a", "/b"}, Backend: "live"},
			{Type: "header", Header: "host", Operation: "hdr_dom", Values: []string{"shop.example"}, Backend: "live"},
		},
		Natives: []lb.RawLine{"maxconn 100"}, Register: "www-frontend",
		AcceptProxy: []netip.Prefix{netip.MustParsePrefix("10.0.0.7/32"), netip.MustParsePrefix("fd00::/8")},
	}
	tcp := lb.Frontend{
		Key: "tcp", Binds: []lb.Bind{{Host: "127.0.0.1", Port: 5432}}, Backend: "data.base:1", Mode: "tcp", Keepalive: "default",
		Endpoints: []lb.Endpoint{{Name: "local", Bind: lb.Bind{Host: "127.0.0.1", Port: 5432}}}, Pools: []lb.Name{"data.base:1"},
		Defaults: "softer",
	}
	shop := lb.Certificate{
		Key: "shop",
		Files: []lb.PEMFile{{Digest: strings.Repeat("0a", 32), KeyType: "ECDSA", Chain: []lb.X509{{
			Subject: "CN=shop.example", Issuer: "CN=<&>", Names: []string{"*.shop.example", "shop.example"}, Serial: "1f", Algorithm: "ECDSA P-256",
			NotBefore: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), NotAfter: time.Date(2026, 4, 1, 0, 0, 0, 0, time.UTC), SHA256: strings.Repeat("1b", 32),
		}}}},
	}
	corp := lb.Certificate{Key: "corp", Authority: true, Files: []lb.PEMFile{{Digest: strings.Repeat("2c", 32), Chain: shop.Files[0].Chain}}}
	return lb.Intent{
		Frontends:    map[lb.Name]lb.Frontend{www.Key: www, tcp.Key: tcp},
		Backends:     map[lb.Name]lb.Backend{live.Key: live, split.Key: split, static.Key: static},
		Certificates: map[lb.Name]lb.Certificate{shop.Key: shop, corp.Key: corp},
		Sections: map[string]lb.Section{
			"global":          {Kind: "global", Natives: []lb.RawLine{"tune.bufsize 32768"}},
			"defaults/strict": {Kind: "defaults", Name: "strict", Natives: []lb.RawLine{"timeout connect 1s"}},
			"defaults/softer": {Kind: "defaults", Name: "softer", Defaults: "strict"},
			"userlist/admins": {Kind: "userlist", Name: "admins", Natives: []lb.RawLine{`user ann password "$5$é"`}},
		},
	}
}

// with is the intent with one more static backend.
func with(in lb.Intent, key lb.Name) lb.Intent {
	b := lb.Backend{
		Key: key, Type: "static", Balance: "roundrobin", Mode: "http",
		Members: []lb.StaticMember{{HostPort: lb.HostPort{Host: "10.0.0.1", Port: 80}}},
	}
	next, err := in.Apply(lb.Edit{Backend: &b})
	if err != nil {
		panic(err) // a new key never conflicts
	}
	return next
}
