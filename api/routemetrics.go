package api

import (
	"net/http"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"

	"thalassa/routes"
)

// placeKey is where an echo.Context holds the *routes.Place of a request.
const placeKey = "place"

// countRouted counts the answer to a request for a route, after some time; 0: it is not
// known.
func countRouted(c echo.Context, took time.Duration) {
	place, ok := c.Get(placeKey).(*routes.Place)
	if !ok {
		return
	}
	status := c.Response().Status
	if status < http.StatusMultipleChoices && routes.IsWebsocket(c.Request()) {
		status = http.StatusSwitchingProtocols
	}
	place.Count(status, took)
}

// A routeCollector has the metrics of the current routes.
type routeCollector struct {
	routes                     *routes.Router
	requests, seconds, current *prometheus.Desc
}

func newRouteCollector(r *routes.Router) *routeCollector {
	return &routeCollector{
		routes:   r,
		requests: prometheus.NewDesc("thalassa_route_requests_total", "Requests for routes that were answered, by the route's path and the class of the status; 1xx are websockets.", []string{"route", "code"}, nil),
		seconds:  prometheus.NewDesc("thalassa_route_request_seconds_total", "Time that these took, by the route's path.", []string{"route"}, nil),
		current:  prometheus.NewDesc("thalassa_route_requests_current", "Requests and websockets under way, by the route's path.", []string{"route"}, nil),
	}
}

// Describe implements prometheus.Collector.
func (c *routeCollector) Describe(out chan<- *prometheus.Desc) {
	out <- c.requests
	out <- c.seconds
	out <- c.current
}

// Collect implements prometheus.Collector.
func (c *routeCollector) Collect(out chan<- prometheus.Metric) {
	for _, u := range c.routes.Usage() {
		for class, n := range u.Answers {
			out <- prometheus.MustNewConstMetric(c.requests, prometheus.CounterValue, float64(n), u.Path, class)
		}
		out <- prometheus.MustNewConstMetric(c.seconds, prometheus.CounterValue, u.Seconds, u.Path)
		out <- prometheus.MustNewConstMetric(c.current, prometheus.GaugeValue, float64(u.Open), u.Path)
	}
}
