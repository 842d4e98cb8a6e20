package api

import (
	_ "embed"
	"net/http"

	"github.com/labstack/echo/v4"
)

// openAPI describes every route, error and shape. Tests compare it with the answers.
//
//go:embed openapi.json
var openAPI string

// aboutHandlers describe the API.
type aboutHandlers struct {
	version string
	routes  func() []Route
}

// index lists the routes.
func (h aboutHandlers) index(c echo.Context) error {
	type entry struct {
		Method  string `json:"method"`
		Path    string `json:"path"`
		Role    string `json:"role"` // that a token needs; "none": no token
		On      string `json:"on"`   // the object; see Route.On
		Summary string `json:"summary"`
	}
	out := struct {
		Name    string  `json:"name"`
		Version string  `json:"version"`
		Routes  []entry `json:"routes"`
	}{Name: "Thalassa", Version: h.version}
	for _, r := range h.routes() {
		out.Routes = append(out.Routes, entry{r.Method, r.Path, r.Need.String(), r.On, r.Summary})
	}
	return respond(c, http.StatusOK, out)
}

func (h aboutHandlers) openAPI(c echo.Context) error {
	return write(c, http.StatusOK, echo.MIMEApplicationJSON, []byte(openAPI))
}

func (h aboutHandlers) showVersion(c echo.Context) error {
	return respond(c, http.StatusOK, struct {
		Version string `json:"version"`
	}{h.version})
}
