// Package routes serves files and other web applications at paths below the address of
// the API.
//
// [Parse] makes a [Route] from each [Entry] of the settings. A [Router] finds the route of a path
// and serves requests. The caller of this package decides who may use a route and whether a page of
// another site has sent the request, and passes the identity of the client.
//
// The match of paths and routes is pure. A path that two programs may interpret differently is
// refused. The package must never pass a client's credentials for the API to an application, or let
// an application set one of the API's cookies.
package routes
