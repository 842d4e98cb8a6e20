package hrapi

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"thalassa/api"
	"thalassa/gateway"
	"thalassa/lb"
)

// The dashboard is a frontend that HAProxy's statistics page listens on.
const (
	dashboardKey       lb.Name = "v1-dashboard"
	dashboardPath              = "/__haproxy/dashboard"
	firstPort, endPort         = 9010, 9100
)

// controllerHandlers commit the draft, and start and stop HAProxy.
type controllerHandlers struct {
	staging

	cfg Config
}

// commit commits the draft, together with the statistics page.
func (h controllerHandlers) commit(c echo.Context) error {
	ctx := c.Request().Context()
	m, err := h.model(ctx)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(m.Pools(), func(p gateway.Pool) bool { return p.Enabled }) {
		return &api.ResponseError{Status: http.StatusConflict, Code: "conflict", Message: "there is no pool that is enabled"}
	}
	if err := h.stageDashboard(c); err != nil {
		return err
	}
	applied, err := h.agent.CommitStaged(ctx, DraftID, h.agent.Origin(c))
	if err != nil {
		return err
	}
	word := startedWord(applied)
	out := object{"HaProxy Status": word, "Haproxy Status": word}
	port, err := h.port(ctx)
	if err != nil {
		return err
	}
	if port > 0 {
		out["Listen Port"] = strconv.Itoa(port)
	}
	status, err := h.agent.Status(ctx)
	if err == nil && status.HAProxy.WorkerPID > 0 {
		out["PID"] = status.HAProxy.WorkerPID
	}
	return done(c, out)
}

// startedWord says whether what was stored is in effect.
func startedWord(applied lb.Applied) string {
	if applied.Applied {
		return "Started"
	}
	return "Stored: " + applied.Reason
}

// stageDashboard adds the statistics page to the draft as the settings say. An existing page keeps
// its port.
func (h controllerHandlers) stageDashboard(c echo.Context) error {
	in, err := h.agent.Staged(c.Request().Context(), DraftID)
	if err != nil {
		return err
	}
	present, isThere := in.Frontends[dashboardKey]
	if h.cfg.Dashboard == "" {
		if !isThere {
			return nil
		}
		return h.agent.Stage(c.Request().Context(), DraftID, h.agent.Origin(c), func(in lb.Intent) (lb.Intent, error) {
			return in.With([]lb.ObjectChange{{ID: present.ID()}}), nil
		})
	}
	if bind, ok := present.Address(); ok && hostOf(bind) == h.cfg.Dashboard {
		return nil
	}
	port, err := freePort(c.Request().Context(), in, h.cfg.Dashboard)
	if err != nil {
		return err
	}
	f, err := lb.FrontendSpec{
		Bind: joined(h.cfg.Dashboard, port), Natives: []string{"stats enable", "stats uri " + dashboardPath},
	}.Parse(dashboardKey)
	if err != nil {
		return err
	}
	err = h.agent.Stage(c.Request().Context(), DraftID, h.agent.Origin(c), func(in lb.Intent) (lb.Intent, error) {
		return in.With([]lb.ObjectChange{{ID: f.ID(), After: f}}), nil
	})
	if refused, ok := errors.AsType[*api.ResponseError](err); ok && refused.Status == http.StatusForbidden {
		return nil // whoever is limited to other objects commits without the page
	}
	return err
}

// hostOf is the IP address of a bind.
func hostOf(b lb.Bind) string {
	if b.Host == "" {
		return "0.0.0.0"
	}
	return string(b.Host)
}

// freePort is a port of the dashboard that nobody listens on.
func freePort(ctx context.Context, in lb.Intent, host string) (int, error) {
	for port := firstPort; port < endPort; port++ {
		bind, err := lb.ParseBind(joined(host, port))
		if err != nil {
			return 0, err
		}
		if slices.ContainsFunc(in.SortedFrontends(), func(f lb.Frontend) bool { return f.ListensOn(bind) }) {
			continue
		}
		l, err := new(net.ListenConfig).Listen(ctx, "tcp", joined(host, port))
		if err == nil && l.Close() == nil {
			return port, nil
		}
	}
	return 0, &lb.ConflictError{ID: lb.Frontend{Key: dashboardKey}.ID(), Reason: "no port from 9010 to 9099 is free at " + host}
}

// port is that of the statistics page in effect; 0: there is none.
func (h controllerHandlers) port(ctx context.Context) (int, error) {
	bind, err := h.dashboardBind(ctx)
	return int(bind.Port), err
}

func (h controllerHandlers) dashboardBind(ctx context.Context) (lb.Bind, error) {
	in, err := h.agent.Intent(ctx)
	bind, _ := in.Frontends[dashboardKey].Address()
	return bind, err
}

// dashboard redirects to the statistics page if that answers.
func (h controllerHandlers) dashboard(c echo.Context) error {
	bind, err := h.dashboardBind(c.Request().Context())
	if err != nil {
		return err
	}
	host := hostOf(bind)
	if a, err := netip.ParseAddr(host); err == nil && a.IsUnspecified() {
		host = "127.0.0.1"
	}
	if bind.Port == 0 || !answers(c.Request().Context(), joined(host, int(bind.Port)), time.Second) {
		return respond(c, http.StatusNotFound, object{"Dashboard status": "Offline"})
	}
	if a, err := netip.ParseAddr(hostOf(bind)); err == nil && a.IsUnspecified() { // any address of this node does
		if given, _, err := net.SplitHostPort(c.Request().Host); err == nil {
			host = given
		}
	}
	return c.Redirect(http.StatusFound, "http://"+joined(host, int(bind.Port))+dashboardPath)
}

// exportCDB answers with gateways and pools as a cdb file: a key such as "gateway/web", and
// its JSON.
func (h controllerHandlers) exportCDB(c echo.Context) error {
	m, err := h.model(c.Request().Context())
	if err != nil {
		return err
	}
	data, err := gateway.CDB(m)
	if err != nil {
		return err
	}
	c.Response().Header().Set(echo.HeaderContentDisposition, `attachment; filename="default.cdb"`)
	return api.Respond(c, http.StatusOK, "application/x-cdb", data)
}

// start starts HAProxy if it does not run.
func (h controllerHandlers) start(c echo.Context) error {
	status, err := h.agent.Status(c.Request().Context())
	if err != nil {
		return err
	}
	if status.HAProxy.Running {
		return respond(c, http.StatusConflict, object{"exception": "haproxy is running already"})
	}
	return h.reload(c, "started")
}

// restart reloads HAProxy, so no connection is lost.
func (h controllerHandlers) restart(c echo.Context) error { return h.reload(c, "restarted") }

func (h controllerHandlers) reload(c echo.Context, word string) error {
	if h.cfg.Reload == nil {
		return &lb.UnavailableError{What: "this agent cannot reload HAProxy"}
	}
	ctx := c.Request().Context()
	if _, err := h.cfg.Reload(ctx, h.agent.Origin(c)); err != nil {
		return err
	}
	status, err := h.agent.Status(ctx)
	if err != nil {
		return err
	}
	return done(c, object{"haproxy status": word, "pid": status.HAProxy.WorkerPID})
}

// stop stops the HAProxy of this agent and no other. It stays down until it is started or the
// configuration changes.
func (h controllerHandlers) stop(c echo.Context) error {
	if h.cfg.Stop == nil {
		return &lb.ConflictError{ID: "haproxy", Reason: "this agent does not stop it for /v1 unless the setting v1-stop allows that"}
	}
	ctx := c.Request().Context()
	status, err := h.agent.Status(ctx)
	if err != nil {
		return err
	}
	if err := h.cfg.Stop(ctx, h.agent.Origin(c)); err != nil {
		return err
	}
	after, err := h.agent.Status(ctx)
	if err != nil {
		return err
	}
	if after.HAProxy.Running {
		return &lb.UnavailableError{What: "HAProxy runs again: something else has started it"}
	}
	return done(c, object{"status": "haproxy stopped", "pid": status.HAProxy.MasterPID})
}
