package settings

import (
	"log/slog"
	"slices"

	"github.com/spf13/pflag"

	"thalassa/acme"
	"thalassa/haproxy"
	"thalassa/lb"
)

// acmeSettings say how certificates are ordered.
type acmeSettings struct {
	httpPort    int
	selfCheck   bool
	directories []string
	allowLocal  bool
	prefix      string // of the keys in Consul; empty: orders are not shared
	dns         yamlList[dnsEntry]
	accounts    yamlList[accountEntry]
}

// defaultOrderPrefix is the default beginning of the keys in Consul that hold the cluster's orders.
const defaultOrderPrefix = "thalassa/acme/"

func acmeFlags(s *Agent, f *pflag.FlagSet) {
	f.IntVar(&s.acme.httpPort, "acme-http-port", 80, "`port` at which HTTP-01 challenges reach HAProxy")
	f.BoolVar(&s.acme.selfCheck, "acme-self-check", true, "a look whether HAProxy answers before a certificate authority looks")
	f.StringSliceVar(&s.acme.directories, "acme-directories", nil, "`URLs` of the only ACME servers that may be asked (default: any)")
	f.StringVar(&s.acme.prefix, "acme-kv-prefix", defaultOrderPrefix, "`prefix` of the cluster's orders in Consul; empty: no sharing")
	f.Var(&s.acme.dns, "acme-dns", "`list` of the zones in which DNS-01 challenges are answered")
	f.Var(&s.acme.accounts, "acme-accounts", "`list` of accounts that ACME servers want (external account binding)")
	f.BoolVar(&s.acme.allowLocal, "acme-allow-local", false, "ACME servers at loopback and link-local addresses")
}

// acmeGroup configures acme.Config.
func acmeGroup() Group {
	return Group{
		Title: "Ordered certificates (ACME)",
		About: "See [acme.md](acme.md).",
		Settings: []Setting{
			{Name: "acme-http-port", Explanation: "Certificate authorities connect to port 80. Set this where something in front of this node forwards that port to another one."},
			{Name: "acme-self-check", Explanation: "The agent asks its own addresses first. An attempt that would fail then costs nothing at the server."},
			{Name: "acme-directories", Explanation: "Whoever may store certificates names the server of an order, and the agent sends requests there. With this list no other server is asked."},
			{Name: "acme-kv-prefix", Explanation: "With `session-key-file`, one node orders and all serve. Each cluster needs its own prefix. The agent's token for Consul needs `key_prefix` and `session_prefix` with the policy `write`. See [acme.md](acme.md#several-nodes)."},
			{Name: "acme-dns", Explanation: "Each has a `zone`, and either `server` and `keyFile` (RFC 2136) or `hook` and `tokenFile`: `[{zone: shop.example, server: \"192.0.2.53:53\", keyFile: /etc/thalassa/tsig}]`. See [acme.md](acme.md#dns-01)."},
			{Name: "acme-accounts", Explanation: "Each has a `directory`, a `keyId`, and a `keyFile` with the HMAC key in base64url. See [acme.md](acme.md#accounts)."},
			{Name: "acme-allow-local", Explanation: "Without it the agent connects to no such address, whatever name leads there: an order could otherwise reach services that listen for this machine alone."},
		},
	}
}

// ACME configures the orders of certificates; the caller adds what they work with.
func (s *Agent) ACME(log *slog.Logger) acme.Config {
	cfg := acme.Config{
		Directories: slices.Clone(s.acme.directories), AllowLocal: s.acme.allowLocal, SkipSelfCheck: !s.acme.selfCheck, Logger: log,
		Bindings: map[string]acme.Binding{}, Alone: s.Sharing().alone(),
	}
	if own, ok, err := s.TLS().Order(); ok && err == nil {
		cfg.Own = []lb.ACME{own}
	}
	for _, e := range s.acme.dns {
		if z, err := e.parse(); err == nil { // check has said so otherwise
			cfg.DNS = append(cfg.DNS, z)
		}
	}
	for _, e := range s.acme.accounts {
		if directory, b, err := e.parse(); err == nil {
			cfg.Bindings[directory] = b
		}
	}
	return cfg
}

// challenges says how HAProxy answers HTTP-01 challenges.
func (s *Agent) challenges() lb.Challenges {
	path := haproxy.ChallengeMap(s.cfgPath)
	if !lb.IsMapPath(path) {
		path = ""
	}
	own, ok, _ := s.TLS().Order() // check has said so otherwise
	return lb.Challenges{
		Map: path, Port: uint16(s.acme.httpPort), Always: ok && own.Challenge == lb.HTTP01, //nolint:gosec // check has seen it
	}
}

// ChallengePort is where HTTP-01 challenges reach HAProxy. An error says why it cannot
// answer them.
func (s *Agent) ChallengePort() (port uint16, problem string) {
	c := s.challenges()
	if c.Map == "" {
		return c.Port, "haproxy-cfg-path has characters that the rule for challenges cannot have, expected letters, digits, \"/\", \".\", \"_\" and \"-\""
	}
	return c.Port, ""
}

// checkACME is about the orders of certificates.
func (c *checker) checkACME() {
	s := c.settings
	if err := Port("acme-http-port", s.acme.httpPort, 1); err != nil {
		c.problems = append(c.problems, err)
	}
	for i, e := range s.acme.dns {
		if _, err := e.parse(); err != nil {
			c.bad("acme-dns: entry %d: %v", i+1, err)
		}
	}
	for i, e := range s.acme.accounts {
		if _, _, err := e.parse(); err != nil {
			c.bad("acme-accounts: entry %d: %v", i+1, err)
		}
	}
	for _, url := range s.acme.directories {
		a, err := lb.ACMESpec{Domains: []string{"any.example"}, Directory: url}.Parse()
		if err != nil || a.Directory != url {
			c.bad("acme-directories: %q is not the address of an ACME server, expected one such as %s", url, lb.DefaultDirectory)
		}
	}
}

// secrets lists the files with keys and tokens, each with the setting that names it.
func (s *acmeSettings) secrets() []struct{ setting, path string } {
	out := make([]struct{ setting, path string }, 0, 2*len(s.dns)+len(s.accounts))
	for _, e := range s.dns {
		out = append(out, struct{ setting, path string }{"acme-dns", e.KeyFile}, struct{ setting, path string }{"acme-dns", e.TokenFile})
	}
	for _, e := range s.accounts {
		out = append(out, struct{ setting, path string }{"acme-accounts", e.KeyFile})
	}
	return out
}

// secretFiles lists the files of secrets.
func (s *acmeSettings) secretFiles() []string {
	all := s.secrets()
	out := make([]string, len(all))
	for i, one := range all {
		out[i] = one.path
	}
	return out
}
