package settings

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/pflag"

	"thalassa/clusters"
)

// otherSettings say which other clusters the agent shows.
type otherSettings struct {
	clusters yamlList[clusters.Entry]
	console  bool
}

func otherFlags(s *Agent, f *pflag.FlagSet) {
	f.Var(&s.clusters, "clusters", "`list` of other clusters to show")
	f.BoolVar(&s.console, "console", false, "only clusters are shown: no HAProxy, no Consul, no Pacemaker")
}

// otherGroup configures clusters.Fleet.
func otherGroup() Group {
	return Group{
		Title: "Other clusters",
		About: "See [clusters.md](clusters.md).",
		Settings: []Setting{
			{Name: "clusters", Live: true, Explanation: "Each has a `name`, the `addresses` of the agents on its nodes, a `tokenFile` or `certFile` and `keyFile`, and `fingerprints` or a `caFile`: " +
				"`[{name: paris, addresses: [\"https://lb1.example:10000\"], tokenFile: /etc/thalassa/paris, caFile: /etc/thalassa/paris.pem}]`."},
			{Name: "console", Explanation: "Needs `clusters`. Settings of HAProxy, Consul, Pacemaker and ordered certificates are then ignored."},
		},
	}
}

// IsConsole reports whether the agent only shows other clusters.
func (s *otherSettings) IsConsole() bool { return s.console }

// HasClusters reports whether the agent shows other clusters.
func (s *otherSettings) HasClusters() bool { return len(s.clusters) > 0 }

// Clusters are the other clusters that the agent shows. The error is an [Error]: that of clusters.Load.
func (s *otherSettings) Clusters() ([]clusters.Source, error) {
	sources, err := clusters.Load(s.clusters)
	if err != nil {
		return nil, Error{Err: fmt.Errorf("clusters: %w", err)}
	}
	return sources, nil
}

// clusterFiles are the files with secrets that the list names.
func (s *otherSettings) clusterFiles() []string {
	var out []string
	for _, e := range s.clusters {
		out = append(out, e.Files()...)
	}
	return out
}

// clusterSecrets lists the same files, each with the setting that names it.
func (s *otherSettings) clusterSecrets() []struct{ setting, path string } {
	files := s.clusterFiles()
	out := make([]struct{ setting, path string }, len(files))
	for i, path := range files {
		out[i] = struct{ setting, path string }{"clusters", path}
	}
	return out
}

// checkClusters is about other clusters.
func (c *checker) checkClusters() {
	s := c.settings
	if err := clusters.Check(s.clusters); err != nil {
		for line := range strings.SplitSeq(err.Error(), "\n") {
			c.bad("clusters: %s", line)
		}
	}
	if !s.console {
		return
	}
	for _, one := range []struct {
		isWrong bool
		setting string
		why     string
	}{
		{len(s.clusters) == 0, "clusters", "is not set, and a console shows nothing else; expected at least one"},
		{s.sessionKey != "", "session-key-file", "needs Consul, which a console does not have"},
		{s.TLS().Mode() == tlsACME, "tls", "is acme, and a console orders no certificates; expected auto or files"},
		{s.cluster == "on", "cluster", "is on, and a console is in no cluster; expected auto or off"},
	} {
		if one.isWrong {
			c.problems = append(c.problems, errors.New(one.setting+": "+one.why))
		}
	}
}
