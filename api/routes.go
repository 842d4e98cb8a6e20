package api

import (
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"thalassa/auth"
)

// A route is one method of one path. GET routes answer HEAD, too; OPTIONS is
// answered for every path.
type route struct {
	method  string
	path    string    // parameters in braces
	need    auth.Role // 0: open to everybody
	summary string    // one line for the index
	handle  echo.HandlerFunc
}

// routes is the whole API. openapi.json describes the same routes.
func (s *Server) routes() []route {
	const get, put, post, del = http.MethodGet, http.MethodPut, http.MethodPost, http.MethodDelete
	cluster := clusterHandlers{view: s.cfg.Cluster, actions: s.cfg.ClusterActions}
	session := sessionHandlers{guard: s.guard, live: s.live}
	streams := streamHandlers{live: s.live}
	return []route{
		{get, "/", auth.Read, "this list", s.index},
		{get, "/frontends", auth.Read, "all frontends", s.listFrontends},
		{get, "/frontends/{key}", auth.Read, "one frontend", s.frontend},
		{put, "/frontends/{key}", auth.Admin, "create or replace a frontend", s.putFrontend},
		{del, "/frontends/{key}", auth.Admin, "remove a frontend", s.deleteFrontend},
		{get, "/backends", auth.Read, "all backends with their members", s.listBackends},
		{get, "/backends/{key}", auth.Read, "one backend with its members", s.backend},
		{put, "/backends/{key}", auth.Admin, "create or replace a backend", s.putBackend},
		{post, "/backends/{key}", auth.Deploy, "switch a backend to another version, and service, or divide its traffic between versions", s.switchBackend},
		{del, "/backends/{key}", auth.Admin, "remove a backend", s.deleteBackend},
		{get, "/backends/{key}/members", auth.Read, "the members of a backend; query: stats, leaving", s.members},
		{get, "/haproxy/config", auth.Read, "haproxy.cfg as last written, as text", s.haproxyConfig},
		{get, "/haproxy/configs", auth.Read, "each haproxy.cfg that was in effect, newest first; query: before, limit", s.listConfigs},
		{get, "/haproxy/configs/{number}", auth.Read, "one of them with its text", s.recordedConfig},
		{get, "/services", auth.Read, "the Consul services watched, with their versions", s.listServices},
		{get, "/services/{name}", auth.Read, "one service with its instances", s.service},
		{post, "/services/{name}/accept", auth.Deploy, "believe Consul that the instances held are gone", s.accept},
		{get, "/activity", auth.Read, "what happened; query: since, before, filter, limit, wait", s.activity},
		{get, "/revisions", auth.Read, "accepted changes, newest first; query: before, limit", s.revisions},
		{get, "/cluster", auth.Read, "the Pacemaker cluster: nodes, resources, failures, floating IPs", cluster.show},
		{get, "/cluster/nodes", auth.Read, "the cluster's nodes", cluster.showNodes},
		{get, "/cluster/resources", auth.Read, "the cluster's resources", cluster.showResources},
		{get, "/cluster/cib.xml", auth.Read, "the cluster's configuration and status as XML, without secrets", cluster.showCIB},
		{post, "/cluster/actions/{action}", auth.Admin, "do something to the cluster; answered when it is done", cluster.act},
		{post, "/cluster/simulate/{action}", auth.Admin, "what the cluster would do upon that", cluster.simulate},
		{get, "/monitor", auth.Read, "wait until the CIB is not the one of ?admin_epoch:epoch:num_updates", cluster.monitor},
		{get, "/monitor.json", auth.Read, "the same", cluster.monitor},
		{get, "/status", auth.Read, "the state of agent, HAProxy and discovery", s.status},
		{get, "/healthz", 0, "200 while the agent's process works", s.healthz},
		{get, "/readyz", 0, "200 while HAProxy runs what was asked for, else 503 with reasons", s.readyz},
		{get, "/version", auth.Read, "the agent's version", s.version},
		{get, "/streams", auth.Read, "a websocket that tells states and changes as they come", streams.open},
		{get, "/metrics", metricsRole(s.cfg.OpenMetrics), "figures for Prometheus, as text", s.metrics.serve},
		{get, "/session", 0, "who the caller is", session.show},
		{post, "/session", 0, "begin a session with a token", session.login},
		{del, "/session", 0, "end the session", session.logout},
		{get, "/openapi.json", auth.Read, "the OpenAPI description of all this", s.openAPI},
	}
}

// echoPath turns "/a/{key}" into echo's "/a/:key".
func echoPath(path string) string {
	return strings.NewReplacer("{", ":", "}", "").Replace(path)
}
