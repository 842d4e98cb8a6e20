package settings

import (
	"log/slog"

	"github.com/spf13/pflag"

	"thalassa/ocsp"
)

// ocspSettings say whether OCSP responses are asked for.
type ocspSettings struct {
	enabled    bool
	allowLocal bool
}

func ocspFlags(s *Agent, f *pflag.FlagSet) {
	f.BoolVar(&s.ocsp.enabled, "ocsp-stapling", false, "OCSP responses of served certificates, fetched and stapled")
	f.BoolVar(&s.ocsp.allowLocal, "ocsp-allow-local", false, "OCSP responders at loopback and link-local addresses")
}

// ocspGroup configures ocsp.Config.
func ocspGroup() Group {
	return Group{
		Title: "OCSP stapling",
		About: "See [certificates-ocsp.md](certificates-ocsp.md).",
		Settings: []Setting{
			{Name: "ocsp-stapling", Explanation: "The agent asks the responders that the certificates name. Whoever may store certificates chooses them, so it is off unless you want it."},
			{Name: "ocsp-allow-local", Explanation: "Without it the agent connects to no such address, whatever name leads there: a certificate could otherwise name services that listen for this machine alone."},
		},
	}
}

// OCSP configures the stapling of OCSP responses by settings; the caller adds what it works with.
func OCSP(s *Agent, log *slog.Logger) ocsp.Config {
	return ocsp.Config{Enabled: s.ocsp.enabled, AllowLocal: s.ocsp.allowLocal, Logger: log}
}
