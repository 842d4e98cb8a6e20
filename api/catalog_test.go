package api_test

import (
	"context"
	"net/http"
	"testing"

	"thalassa/api"
	"thalassa/lb"
)

func TestCatalog(t *testing.T) {
	var err error
	names := []lb.Name{"blog", "consul"}
	s := newFixture(t, func(c *api.Config) {
		c.ServiceNames = func(context.Context) ([]lb.Name, error) { return names, err }
	})
	same(t, s.get("/catalog").body, `{"services":["blog","consul"]}`)
	names = nil
	same(t, s.get("/catalog").body, `{"services":[]}`)
	err = &lb.UnavailableError{What: "Consul's list of services is not available: connection refused"}
	s.get("/catalog").refused(t, http.StatusServiceUnavailable, "unavailable")
	newFixture(t, func(c *api.Config) { c.ServiceNames = nil }).get("/catalog").refused(t, http.StatusServiceUnavailable, "unavailable")
}
