package consul

import (
	"net/url"
	"strings"
)

// Page returns the URL of a service in Consul's web UI, as this client reaches Consul.
// It is empty without a datacenter, and if the client uses a unix socket.
func (c *Client) Page(service, datacenter string) string {
	if datacenter == "" || c.base.Port() == "" && c.base.Hostname() == "localhost" {
		return ""
	}
	path := "/ui"
	if p := c.scope["partition"]; p != "" {
		path += "/_" + url.PathEscape(p)
	}
	if ns := c.scope["ns"]; ns != "" {
		path += "/~" + url.PathEscape(ns)
	}
	path += "/" + url.PathEscape(datacenter) + "/services/" + url.PathEscape(service) + "/instances"
	return c.base.Scheme + "://" + c.base.Host + strings.TrimSuffix(c.base.EscapedPath(), "/") + path
}
