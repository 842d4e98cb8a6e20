package settings

import (
	"net"
	"net/netip"
	"net/url"
	"strconv"

	"github.com/spf13/pflag"

	"thalassa/haproxy"
)

// v1Settings are those of the dialect below /v1, besides its statistics page.
type v1Settings struct {
	ip               string
	portMin, portMax int
	artifacts        string
	credentials      string
	stop             bool
}

// The environment variables of pyHrapi that the flags win over.
const (
	v1EnvIP  = "MODACLOUDS_LOAD_BALANCER_GATEWAY_ENDPOINT_IP"
	v1EnvMin = "MODACLOUDS_LOAD_BALANCER_GATEWAY_ENDPOINT_PORT_MIN"
	v1EnvMax = "MODACLOUDS_LOAD_BALANCER_GATEWAY_ENDPOINT_PORT_MAX"
)

func v1Flags(s *Agent, f *pflag.FlagSet) {
	f.StringVar(&s.v1.ip, "v1-endpoint-ip", "", "IP `address` of the variable gateway:endpoint:ip (default: 0.0.0.0)")
	f.IntVar(&s.v1.portMin, "v1-endpoint-port-min", 0, "first `port` of the variables gateway:endpoint:port (default: 8000)")
	f.IntVar(&s.v1.portMax, "v1-endpoint-port-max", 0, "last `port` of the variables gateway:endpoint:port (default: 8080)")
	f.StringVar(&s.v1.artifacts, "v1-artifacts", "", "`URL` of an artifact repository for backups of /v1")
	f.StringVar(&s.v1.credentials, "v1-artifacts-credentials", "", "`file` with NAME:PASSWORD or a bearer token for the repository")
	f.BoolVar(&s.v1.stop, "v1-stop", false, "permission to stop HAProxy by /v1/haproxy/control/stop")
}

// MayStop reports whether requests below /v1 may end the HAProxy of this agent. manager is
// "pacemaker" or "external" where that starts and stops HAProxy; empty: the agent does.
func (s *Agent) MayStop() (isAllowed bool, manager string) {
	if s.haproxy != string(haproxy.Managed) {
		manager = s.haproxy
	}
	return s.v1.stop, manager
}

// checkV1 fills in what neither flags nor file set, from the environment or by default.
func (c *checker) checkV1() {
	v, getenv := &c.settings.v1, c.settings.getenv
	if getenv == nil {
		getenv = func(string) string { return "" }
	}
	if v.ip == "" {
		v.ip = getenv(v1EnvIP)
	}
	if v.ip == "" {
		v.ip = "0.0.0.0"
	}
	if a, err := netip.ParseAddr(v.ip); err != nil || a.Zone() != "" {
		c.bad("v1-endpoint-ip: %q is not an IP address", v.ip)
	}
	const first, last = 8000, 8080
	c.v1Port("v1-endpoint-port-min", &v.portMin, getenv(v1EnvMin), first)
	c.v1Port("v1-endpoint-port-max", &v.portMax, getenv(v1EnvMax), max(last, v.portMin))
	if v.portMax < v.portMin {
		c.bad("v1-endpoint-port-max: %d is less than v1-endpoint-port-min, which is %d", v.portMax, v.portMin)
	}
	c.checkArtifacts()
}

func (c *checker) v1Port(name string, port *int, environment string, otherwise int) {
	if *port == 0 {
		*port = otherwise
		if n, err := strconv.Atoi(environment); environment != "" {
			if err != nil {
				c.bad("%s: %q in the environment is not a port", name, environment)
			}
			*port = n
		}
	}
	if *port < 1 || *port > 65535 {
		c.bad("%s: %d is not a port, expected 1 to 65535", name, *port)
	}
}

func (c *checker) checkArtifacts() {
	v := c.settings.v1
	if v.artifacts == "" {
		if v.credentials != "" {
			c.bad("v1-artifacts-credentials: there is no v1-artifacts that they are for")
		}
		return
	}
	u, err := url.Parse(v.artifacts)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		c.bad("v1-artifacts: %q is not an http or https URL without credentials, query and fragment", v.artifacts)
		return
	}
	ip := net.ParseIP(u.Hostname())
	if v.credentials != "" && u.Scheme == "http" && u.Hostname() != "localhost" && (ip == nil || !ip.IsLoopback()) {
		c.bad("v1-artifacts: credentials would cross the network in plain; use https, or no v1-artifacts-credentials")
	}
}
