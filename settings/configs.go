package settings

import (
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"

	"thalassa/agent"
	"thalassa/api"
	"thalassa/api/hrapi"
	"thalassa/control"
	"thalassa/discovery"
	"thalassa/haproxy"
	"thalassa/lb"
	"thalassa/pacemaker"
	"thalassa/stats"
	"thalassa/statsock"
)

// Registration is the agent's own service in Consul; listening is the address of its
// API.
func (s *Agent) Registration(listening netip.AddrPort, version string) discovery.Registration {
	check := lb.HostPort{Host: lb.Host(listening.Addr().Unmap().String()), Port: listening.Port()}
	address := check.Host
	if listening.Addr().IsUnspecified() {
		check.Host, address = "127.0.0.1", "" // the node's own, as Consul knows it
	}
	hostname, err := os.Hostname()
	if err != nil {
		hostname = "node"
	}
	r := discovery.Registration{
		ID: fmt.Sprintf("thalassa-%s-%d", hostname, check.Port), Name: "thalassa", Address: address, Port: check.Port,
		Meta:  map[string]string{"version": version, "location": s.location, "hostname": hostname},
		Check: &discovery.Check{HTTP: "http://" + check.String() + "/healthz"},
	}
	if s.TLS().Mode() != tlsOff { // its certificate is not one that Consul knows
		r.Check = &discovery.Check{HTTP: "https://" + check.String() + "/healthz", SkipVerify: true}
		r.Meta["scheme"] = "https"
	}
	if s.label != "" {
		r.Tags = []string{s.label}
	}
	return r
}

// HAProxy configures the HAProxy process that the agent starts, or finds running and takes over.
func (s *Agent) HAProxy(log *slog.Logger) haproxy.Config {
	return haproxy.Config{
		Mode: haproxy.Mode(s.haproxy), Binary: s.haproxyBinary, ConfigPath: s.cfgPath, PIDPath: s.pidPath,
		StatsSocket: s.statsSocket, MasterSocket: s.masterSocket, StartupLog: filepath.Join(s.dbPath, "haproxy.startup.log"),
		Exclusive: s.haproxy != string(haproxy.External),
		Sudo:      s.sudo, Users: haproxyUsers(s), Former: s.former, CreateFolder: func(dir string) error { return createFolder(s, dir) }, Logger: log,
	}
}

// Loop configures the agent's loop; the caller adds the parts that it works with.
func (s *Agent) Loop(log *slog.Logger) agent.Config {
	return agent.Config{
		Process: s.Process(), Label: s.label, TemplateFile: s.templateFile, Persistence: s.persistence, RawLines: s.RawLines(),
		Hosts:       agent.NewHostsFile("/etc/hosts"),
		ReloadEvery: s.reloadEvery, ReloadBurst: s.reloadBurst, ReloadJitter: s.reloadJitter, MaxServers: s.maxServers, Logger: log,
	}
}

// API configures the HTTP server; the caller adds the parts that it shows, and the
// tokens of [Agent.TokenFile].
func (s *Agent) API(log *slog.Logger) api.Config {
	return api.Config{
		OpenMetrics: s.metricsOpen, Label: s.label, AllowedHosts: s.allowedHosts, Names: s.TLS().Names(slog.New(slog.DiscardHandler)), Loopback: s.Loopback(), MaxWebsocketsOfCaller: s.maxWebsockets, Logger: log,
	}
}

// Gateways configures the dialect below /v1; the caller adds the sources of what it shows about
// HAProxy.
func (s *Agent) Gateways() hrapi.Config {
	return hrapi.Config{
		Dashboard: s.dashboard, Backups: filepath.Join(s.dbPath, "v1-backups"),
		Pending: filepath.Join(s.dbPath, "v1-pending"), Artifacts: s.v1.artifacts, ArtifactCredentials: s.v1.credentials,
		Variables: hrapi.Variables{
			IP: s.v1.ip, PortMin: s.v1.portMin, PortMax: s.v1.portMax, Certificates: filepath.Dir(s.cfgPath), PID: s.pidPath,
		},
	}
}

// Control configures the watch on the addresses that administer this node, where the API
// listens at listening. The caller adds how to ask Consul for its ports.
func (s *Agent) Control(listening net.Addr, log *slog.Logger) control.Config {
	return control.Config{
		API: control.AddrPort(listening), Stats: s.Process().StatsBind, Sockets: []string{s.statsSocket, s.masterSocket, s.peersSocket, s.pageSocket},
		Consul: s.Consul(), Logger: log,
	}
}

// Peers finds out whether HAProxy is the other end of a connection to the API.
func (s *Agent) Peers() *control.Peers {
	users := haproxyUsers(s)
	for _, name := range []string{s.haproxyUser, "haproxy"} {
		if a, err := lookup(name); err == nil { // else there is no such user
			users = append(users, a.uid)
		}
	}
	return control.NewPeers(s.haproxyBinary, []string{s.cfgPath, s.masterSocket}, users...)
}

// Stats configures the sampler of HAProxy's statistics; the caller adds the layout.
func (s *Agent) Stats(log *slog.Logger) stats.Config {
	users := haproxyUsers(s)
	return stats.Config{
		Client: statsock.New(s.statsSocket, users...), Master: statsock.NewMaster(s.masterSocket, users...),
		Occupied: haproxy.Occupied, Interval: s.statsInterval, Logger: log,
	}
}

// Cluster configures the view of the node's Pacemaker cluster; false: the agent
// ignores Pacemaker. With auto there may be no cluster, or none yet.
func (s *Agent) Cluster(log *slog.Logger) (pacemaker.Config, bool) {
	if s.cluster == "off" {
		return pacemaker.Config{}, false
	}
	return pacemaker.Config{MayBeNone: s.cluster == "auto" && s.haproxy != "pacemaker", AsUser: os.Geteuid() != 0, Logger: log}, true
}

// String is the settings in one line, for people.
func (s *Agent) String() string {
	if s.IsConsole() {
		return fmt.Sprintf("API on %s, console of %d clusters", s.Listen(), len(s.clusters))
	}
	return "API on " + s.Listen() + ", Consul at " + s.Consul() + ", HAProxy " + s.haproxy
}
