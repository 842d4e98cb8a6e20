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
}

func acmeFlags(s *Agent, f *pflag.FlagSet) {
	f.IntVar(&s.acme.httpPort, "acme-http-port", 80, "`port` at which HTTP-01 challenges reach HAProxy")
	f.BoolVar(&s.acme.selfCheck, "acme-self-check", true, "a look whether HAProxy answers before a certificate authority looks")
	f.StringSliceVar(&s.acme.directories, "acme-directories", nil, "`URLs` of the only ACME servers that may be asked (default: any)")
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
			{Name: "acme-allow-local", Explanation: "Without it the agent connects to no such address, whatever name leads there: an order could otherwise reach services that listen for this machine alone."},
		},
	}
}

// ACME configures the orders of certificates; the caller adds what they work with.
func (s *Agent) ACME(log *slog.Logger) acme.Config {
	return acme.Config{
		Directories: slices.Clone(s.acme.directories), AllowLocal: s.acme.allowLocal, SkipSelfCheck: !s.acme.selfCheck, Logger: log,
	}
}

// challenges are how HAProxy answers HTTP-01 challenges.
func (s *Agent) challenges() lb.Challenges {
	path := haproxy.ChallengeMap(s.cfgPath)
	if !lb.IsMapPath(path) {
		path = ""
	}
	return lb.Challenges{Map: path, Port: uint16(s.acme.httpPort)} //nolint:gosec // check has seen it
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
	for _, url := range s.acme.directories {
		a, err := lb.ACMESpec{Domains: []string{"any.example"}, Directory: url}.Parse()
		if err != nil || a.Directory != url {
			c.bad("acme-directories: %q is not the address of an ACME server, expected one such as %s", url, lb.DefaultDirectory)
		}
	}
}
