package hrapi

import (
	"context"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"thalassa/api"
	"thalassa/auth"
	"thalassa/lb"
)

// DraftID is the draft that all changes of the dialect are collected in.
const DraftID = "v1"

// A Config has the settings of the dialect and what it needs beside the agent.
type Config struct {
	// Dashboard is the IP address that HAProxy's statistics page listens on after a
	// commit, at a port from 9010 to 9099. Empty: there is no page.
	Dashboard string
	// Variables are the variables for texts of haproxy.cfg.
	Variables Variables
	// HAProxyConfig reads haproxy.cfg as last written, and Reload reloads HAProxy: see
	// api.Config.
	HAProxyConfig func(ctx context.Context) ([]byte, error)
	Reload        func(ctx context.Context, by lb.Origin) (lb.Applied, error)
	// Backups is the folder of backups, which is created for the first one. Empty: no backups.
	Backups string
	// Pending is the file of the configuration that is pending. Empty: it is kept in
	// memory.
	Pending string
	// Artifacts is the URL of an artifact repository that backups go to as well; empty: there is
	// none. ArtifactCredentials is a file with its credentials: "NAME:PASSWORD", or a bearer token;
	// empty: none.
	Artifacts, ArtifactCredentials string
	// Stop stops the HAProxy of this agent. Errors: *lb.UnavailableError, *lb.ConflictError. nil:
	// the settings do not allow that.
	Stop func(ctx context.Context, by lb.Origin) error
}

// A Dialect answers the requests below /v1.
type Dialect struct {
	cfg     Config
	backups *backups // nil: there are none
	pending *pendingFile

	artifacts *artifactRepository // nil: there is none
}

// New makes the dialect.
func New(cfg Config) *Dialect {
	d := &Dialect{cfg: cfg, pending: newPendingFile(cfg.Pending)}
	if cfg.Backups != "" {
		d.backups = newBackups(cfg.Backups)
	}
	if cfg.Artifacts != "" {
		d.artifacts = newArtifactRepository(cfg.Artifacts, cfg.ArtifactCredentials)
	}
	return d
}

// Problem is a sentence about what has failed, for example a backup in the artifact repository;
// empty: nothing.
func (d *Dialect) Problem() string {
	if d.artifacts == nil {
		return ""
	}
	return d.artifacts.Problem()
}

// Owns reports whether a path belongs to the dialect.
func (d *Dialect) Owns(path string) bool { return path == "/v1" || strings.HasPrefix(path, "/v1/") }

// attachPath is that of a pool of a gateway.
const attachPath = "/v1/gateways/{gateway}/pools/{pool}"

// Routes lists the routes of the dialect.
func (d *Dialect) Routes(a *api.Agent) []api.Route {
	const get, put, post, del = http.MethodGet, http.MethodPut, http.MethodPost, http.MethodDelete
	s := staging{a}
	gateways, pools := gatewayHandlers{s}, poolHandlers{s}
	targets, controller, files := targetHandlers{s}, controllerHandlers{s, d.cfg}, fileHandlers{a, d.cfg}
	databases := databaseHandlers{s, d.cfg, d.backups, d.artifacts}
	certificates, texts := certificateHandlers{s}, textHandlers{a, d.cfg, d.pending}
	const gateway, pool, certificate = "frontend/{gateway}", "backend/{pool}", "certificate/{certificate}"
	routes := []api.Route{
		{Method: get, Path: "/v1/gateways", Need: auth.Read, On: api.OnMany, Summary: "the names of all gateways", Handle: gateways.list},
		{Method: get, Path: "/v1/gateways/{gateway}", Need: auth.Read, On: gateway, Summary: "one gateway", Handle: gateways.show},
		{Method: put, Path: "/v1/gateways/{gateway}", Need: auth.Admin, On: gateway, Summary: "create or change a gateway in the draft", Handle: gateways.put},
		{Method: del, Path: "/v1/gateways/{gateway}", Need: auth.Admin, On: gateway, Summary: "remove a gateway in the draft", Handle: gateways.delete},
		{Method: del, Path: "/v1/gateway/{gateway}", Need: auth.Admin, On: gateway, Summary: "the same", Handle: gateways.delete},
		{Method: get, Path: "/v1/gateways/{gateway}/endpoints", Need: auth.Read, On: gateway, Summary: "the names of its endpoints", Handle: gateways.listEndpoints},
		{Method: get, Path: "/v1/gateways/{gateway}/endpoints/{endpoint}", Need: auth.Read, On: gateway, Summary: "the address of an endpoint", Handle: gateways.showEndpoint},
		{Method: put, Path: "/v1/gateways/{gateway}/endpoints/{endpoint}", Need: auth.Admin, On: gateway, Summary: "create or change an endpoint in the draft", Handle: gateways.putEndpoint},
		{Method: del, Path: "/v1/gateways/{gateway}/endpoints/{endpoint}", Need: auth.Admin, On: gateway, Summary: "remove an endpoint in the draft", Handle: gateways.deleteEndpoint},
		{Method: get, Path: "/v1/gateways/{gateway}/pools", Need: auth.Read, On: gateway, Summary: "the names of its pools", Handle: gateways.listPools},
		{Method: get, Path: attachPath, Need: auth.Read, On: gateway, Summary: "the name of the pool below /v1/pools", Handle: gateways.showPool},
		{Method: put, Path: attachPath, Need: auth.Admin, On: gateway, Summary: "attach a pool in the draft", Handle: gateways.attach},
		{Method: del, Path: attachPath, Need: auth.Admin, On: gateway, Summary: "detach a pool in the draft", Handle: gateways.detach},
		{Method: get, Path: "/v1/gateways/pools", Need: auth.Read, On: api.OnMany, Summary: "the names of all pools", Handle: pools.list},
		{Method: get, Path: "/v1/gateways/pools/{pool}", Need: auth.Read, On: pool, Summary: "one pool", Handle: pools.show},
		{Method: put, Path: "/v1/gateways/pools/{pool}", Need: auth.Admin, On: pool, Summary: "create or change a pool in the draft", Handle: pools.put},
		{Method: del, Path: "/v1/gateways/pools/{pool}", Need: auth.Admin, On: pool, Summary: "remove a pool in the draft", Handle: pools.delete},
		{Method: get, Path: "/v1/pools", Need: auth.Read, On: api.OnMany, Summary: "the names of all pools", Handle: pools.list},
		{Method: get, Path: "/v1/pools/{pool}", Need: auth.Read, On: pool, Summary: "one pool", Handle: pools.show},
		{Method: put, Path: "/v1/pools/{pool}", Need: auth.Admin, On: pool, Summary: "create or change a pool in the draft", Handle: pools.put},
		{Method: del, Path: "/v1/pools/{pool}", Need: auth.Admin, On: pool, Summary: "remove a pool in the draft", Handle: pools.delete},
		{Method: get, Path: "/v1/pools/{pool}/policy", Need: auth.Read, On: pool, Summary: "the algorithm and the default weight of a pool", Handle: pools.showPolicy},
		{Method: put, Path: "/v1/pools/{pool}/policy", Need: auth.Admin, On: pool, Summary: "change them in the draft; null resets them", Handle: pools.putPolicy},
		{Method: del, Path: "/v1/pools/{pool}/policy", Need: auth.Admin, On: pool, Summary: "reset them in the draft", Handle: pools.resetPolicy},
		{Method: get, Path: "/v1/pools/{pool}/targets", Need: auth.Read, On: pool, Summary: "the names of its targets", Handle: targets.list},
		{Method: get, Path: "/v1/pools/{pool}/targets/{target}", Need: auth.Read, On: pool, Summary: "one target", Handle: targets.show},
		{Method: put, Path: "/v1/pools/{pool}/targets/{target}", Need: auth.Admin, On: pool, Summary: "create, change or move a target in the draft", Handle: targets.put},
		{Method: del, Path: "/v1/pools/{pool}/targets/{target}", Need: auth.Admin, On: pool, Summary: "remove a target in the draft", Handle: targets.delete},
		{Method: get, Path: "/v1/pools/{pool}/targets/{target}/check", Need: auth.Admin, On: pool, Summary: "connect to a target; one that is offline is disabled in the draft", Handle: targets.check},
		{Method: post, Path: "/v1/pools/{pool}/targets/{target}/check", Need: auth.Admin, On: pool, Summary: "the same", Handle: targets.check},
		{Method: post, Path: "/v1/controller/commit", Need: auth.Admin, On: api.OnMany, Summary: "carry out the draft", Handle: controller.commit},
		{Method: get, Path: "/v1/controller/__haproxy/dashboard", Need: auth.Read, On: api.OnCaller, Summary: "redirect to HAProxy's statistics page", Handle: controller.dashboard},
		{Method: get, Path: "/v1/controller/_export-cdb", Need: auth.Read, On: api.OnMany, Summary: "gateways and pools as a cdb file", Handle: controller.exportCDB},
		{Method: get, Path: "/v1/controller/_export-sql", Need: auth.Read, On: api.OnNode, Summary: "gateways and pools as a database of pyHrapi; query: force", Handle: databases.exportSQL},
		{Method: put, Path: "/v1/controller/_import-sql", Need: auth.Admin, On: api.OnNode, Summary: "add a database of pyHrapi to the draft", Handle: databases.importSQL},
		{Method: post, Path: "/v1/controller/backup/config", Need: auth.Admin, On: api.OnNode, Summary: "save haproxy.cfg as the next version of the backup config", Handle: databases.backupConfig},
		{Method: post, Path: "/v1/controller/backup/{db}", Need: auth.Admin, On: api.OnNode, Summary: "save what the draft shows as the next version of a backup", Handle: databases.backup},
		{Method: get, Path: "/v1/controller/restore/{db}/{version}", Need: auth.Admin, On: api.OnNode, Summary: "make the draft show what a backup has", Handle: databases.restore},
		{Method: post, Path: "/v1/controller/restore/{db}/{version}", Need: auth.Admin, On: api.OnNode, Summary: "the same", Handle: databases.restore},
		{Method: post, Path: "/v1/haproxy/control/start", Need: auth.Operate, On: api.OnNode, Summary: "start HAProxy where it does not run", Handle: controller.start},
		{Method: post, Path: "/v1/haproxy/control/restart", Need: auth.Operate, On: api.OnNode, Summary: "reload HAProxy", Handle: controller.restart},
		{Method: post, Path: "/v1/haproxy/control/stop", Need: auth.Admin, On: api.OnNode, Summary: "end the HAProxy of this agent, where the setting v1-stop allows it", Handle: controller.stop},
		{Method: get, Path: "/v1/haproxy/configuration/pending", Need: auth.Read, On: api.OnNode, Summary: "the name of the configuration that is pending", Handle: texts.show},
		{Method: get, Path: "/v1/haproxy/configuration/pending/expanded", Need: auth.Read, On: api.OnNode, Summary: "its text, with the variables replaced", Handle: texts.showText},
		{Method: put, Path: "/v1/haproxy/configuration/pending", Need: auth.Admin, On: api.OnNode, Summary: "keep a whole haproxy.cfg until it is committed", Handle: texts.put},
		{Method: del, Path: "/v1/haproxy/configuration/pending", Need: auth.Admin, On: api.OnNode, Summary: "forget what is pending", Handle: texts.delete},
		{Method: post, Path: "/v1/haproxy/configuration/commit", Need: auth.Admin, On: api.OnNode, Summary: "make what is pending the running configuration, and the running one pending", Handle: texts.commit},
		{Method: get, Path: "/v1/controller/upload", Need: auth.Read, On: api.OnCaller, Summary: "how to upload a haproxy.cfg", Handle: texts.showUpload},
		{Method: post, Path: "/v1/controller/upload", Need: auth.Admin, On: api.OnNode, Summary: "make a whole haproxy.cfg the running configuration", Handle: texts.upload},
		{Method: get, Path: "/v1/certificates", Need: auth.Read, On: api.OnMany, Summary: "the names of all certificates", Handle: certificates.list},
		{Method: get, Path: "/v1/certificates/{certificate}", Need: auth.Read, On: certificate, Summary: "what a certificate says, without its key", Handle: certificates.show},
		{Method: put, Path: "/v1/certificates/{certificate}", Need: auth.Admin, On: certificate, Summary: "add a certificate to the draft, with its chain and key in PEM; query: allowMissingIssuer", Handle: certificates.put},
		{Method: del, Path: "/v1/certificates/{certificate}", Need: auth.Admin, On: certificate, Summary: "remove a certificate in the draft", Handle: certificates.delete},
		{Method: get, Path: "/v1/haproxy/configuration/running", Need: auth.Read, On: api.OnNode, Summary: "the name of the configuration in effect", Handle: files.running},
		{Method: get, Path: "/v1/haproxy/configuration/running/expanded", Need: auth.Read, On: api.OnNode, Summary: "its text", Handle: files.runningText},
		{Method: get, Path: "/v1/haproxy/configuration/variables", Need: auth.Read, On: api.OnNode, Summary: "the variables of texts of haproxy.cfg", Handle: files.variables},
		{Method: get, Path: "/v1/haproxy/variables", Need: auth.Read, On: api.OnNode, Summary: "the same", Handle: files.variables},
	}
	for i, r := range routes {
		if r.Method != get && !readsBody(r) {
			routes[i].Handle = emptyOrJSON(r.Handle)
		}
	}
	return routes
}

// ChecksMedia reports that all routes check the Content-Type of their bodies themselves.
func (*Dialect) ChecksMedia(api.Route) bool { return true }

// readsBody reports whether the handler of a route reads a body, whose Content-Type it checks.
func readsBody(r api.Route) bool {
	return r.Method == http.MethodPut && r.Path != attachPath || r.Path == "/v1/controller/upload"
}

// emptyOrJSON wraps the handler of a route that reads no body. Clients of pyHrapi send an empty one
// of any type, as curl does with -d ”.
func emptyOrJSON(handle echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if c.Request().ContentLength != 0 {
			if err := api.CheckJSON(c.Request()); err != nil {
				return err
			}
		}
		return handle(c)
	}
}

// Render answers with a failure.
func (d *Dialect) Render(c echo.Context, f *api.ResponseError) error {
	out := object{"error": f.Message, "code": f.Code}
	if c.Path() == "" || f.Code == "method_not_allowed" {
		out["error"] = map[string]string{"not_found": "not found", "method_not_allowed": "method not allowed"}[f.Code]
		if out["error"] == "" {
			out["error"] = f.Message
		}
	}
	if len(f.Fields) > 0 {
		fields := make([]object, len(f.Fields))
		for i, field := range f.Fields {
			fields[i] = object{"path": field.Path, "problem": field.Problem, "expected": field.Expected}
		}
		out["fields"] = fields
	}
	if len(f.By) > 0 {
		out["by"] = f.By
	}
	if f.Output != "" {
		out["output"] = f.Output
	}
	if f.Incident != "" {
		out["incident"] = f.Incident
	}
	return respond(c, f.Status, out)
}
