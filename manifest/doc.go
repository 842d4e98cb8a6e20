// Package manifest reads and writes files in YAML or JSON that describe frontends, backends and raw
// sections. "thalassa apply" reads and "thalassa export" writes them:
//
//	frontends:
//	  web: {bind: "*:80", backend: live}
//	backends:
//	  live: {type: dynamic, name: shop, version: "1.0.0"}
//	sections:
//	  userlist/staff: {natives: ["user ann password $5$x"]}
//
// Each object has the fields of the request that puts it. The package is pure: it does no I/O.
package manifest
