// Package routes serves files and other web applications at paths below the address of
// the API.
//
// A [Route] comes from an [Entry] of the settings. A [Router] finds the route of a path and
// serves requests. Who may use a route, and whether a page of another site has sent the
// request, is decided by its caller: this package is told who the caller is.
//
// Which path belongs to which route is decided with values alone. A path that two programs
// may understand in two ways is refused. What proves to us who a caller is never reaches an
// application, and an application cannot set a cookie of ours.
package routes
