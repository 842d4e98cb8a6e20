package api_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/labstack/echo/v4"

	"thalassa/api"
	"thalassa/api/apitest"
	"thalassa/auth"
	"thalassa/lb"
)

// plainDialect is a dialect of plain text below /plain.
type plainDialect struct{ agent *api.Agent }

func (d *plainDialect) Routes(a *api.Agent) []api.Route {
	d.agent = a
	return []api.Route{
		{Method: "GET", Path: "/plain/version", Need: auth.Read, Summary: "the version", Handle: d.version},
		{Method: "DELETE", Path: "/plain/backends/{key}", Need: auth.Admin, Summary: "remove a backend", Handle: d.remove},
	}
}

func (d *plainDialect) Owns(path string) bool { return strings.HasPrefix(path, "/plain/") }

func (d *plainDialect) Render(c echo.Context, f *api.ResponseError) error {
	return c.String(f.Status, f.Code+": "+f.Message)
}

func (d *plainDialect) version(c echo.Context) error {
	status, err := d.agent.Status(c.Request().Context())
	if err != nil {
		return err
	}
	return c.String(http.StatusOK, status.Version)
}

func (d *plainDialect) remove(c echo.Context) error {
	_, err := d.agent.Edit(c.Request().Context(), lb.Edit{Delete: "backend/" + c.Param("key"), Origin: d.agent.Origin(c)})
	if err != nil {
		return err
	}
	return c.String(http.StatusOK, api.Author(c))
}

// TestFurtherDialect: a dialect has its own form of errors, wherever they come from; the
// guard and the changes are those of the node dialect.
func TestFurtherDialect(t *testing.T) {
	s := filledFixture(t, apitest.Guarded(t), func(c *api.Config) { c.Dialects = []api.Dialect{&plainDialect{}} })
	for _, c := range []struct {
		method, path, token string
		status              int
		body                string
	}{
		{"GET", "/plain/version", apitest.ReadToken, 200, "1.2.3"},
		{"GET", "/plain/version", "", 401, "unauthorized: this request needs a token: Authorization: Bearer TOKEN"},
		{"DELETE", "/plain/backends/files", apitest.ReadToken, 403, "forbidden: token reader has the role read, but DELETE /plain/backends/{key} needs the role admin"},
		{"DELETE", "/plain/backends/none", apitest.AdminToken, 404, "not_found: backend/none does not exist"},
		{"DELETE", "/plain/backends/files", apitest.AdminToken, 200, "boss"},
		{"GET", "/plain/nothing", apitest.ReadToken, 404, "not_found: /plain/nothing is not a path of this API; GET / lists the paths"},
		{"PUT", "/plain/version", apitest.ReadToken, 405, "method_not_allowed: PUT is not a method of /plain/version, which allows OPTIONS, GET, HEAD"},
	} {
		var headers []string
		if c.token != "" {
			headers = append(headers, bearer(c.token))
		}
		if r := s.raw(c.method, c.path, headers...); r.status != c.status || string(r.body) != c.body {
			t.Errorf("%s %s: %d %s, want %d %s", c.method, c.path, r.status, r.body, c.status, c.body)
		}
	}
	s.get("/backends/files", bearer(apitest.ReadToken)).refused(t, 404, "not_found")
	s.get("/plain", bearer(apitest.ReadToken)).refused(t, 404, "not_found")
}
