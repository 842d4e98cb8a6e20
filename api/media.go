package api

import (
	"net/http"
	"strconv"

	"github.com/labstack/echo/v4"

	"thalassa/lb"
)

// A mediaTaker is a Dialect some of whose routes check the Content-Type of bodies themselves,
// because they take others than JSON.
type mediaTaker interface {
	ChecksMedia(r Route) bool
}

// onlyJSON wraps the handler of a route that changes something: a body that is not JSON is
// refused, also where the handler reads none. A web page may send forms and plain text to any
// site.
func onlyJSON(d Dialect, r Route) echo.HandlerFunc {
	if taker, ok := d.(mediaTaker); isSafe(r.Method) || ok && taker.ChecksMedia(r) {
		return r.Handle
	}
	return func(c echo.Context) error {
		if err := CheckJSON(c.Request()); err != nil {
			return err
		}
		return r.Handle(c)
	}
}

// CheckJSON refuses a body that is not JSON, by its Content-Type, which may be missing. The error
// is a *ResponseError.
func CheckJSON(r *http.Request) error {
	ct := r.Header.Get(echo.HeaderContentType)
	if ct == "" || isJSON(ct) {
		return nil
	}
	return &ResponseError{
		Status: http.StatusUnsupportedMediaType, Code: "invalid", Message: "the body is not JSON: send it with Content-Type: application/json",
		Fields: []lb.FieldError{{Path: "Content-Type", Problem: strconv.Quote(ct) + " is not JSON", Expected: "application/json"}},
	}
}

// ChecksMedia reports whether a route takes other bodies than JSON, and checks their type.
func (d *nodeDialect) ChecksMedia(r Route) bool {
	switch r.Path {
	case "/certificates/{key}", clusterConfigPath + "/{kind}/{id}":
		return r.Method == http.MethodPut
	case backupPath, importPath, importHAProxyPath, clusterImportsPath:
		return true
	}
	return false
}
