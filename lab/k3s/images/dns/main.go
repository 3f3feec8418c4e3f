// The lab's cluster DNS: Services and Endpoints from the API, everything else from the node's resolver.
package main

import (
	"flag"
	"log"
	"net/http"

	"github.com/miekg/dns"
)

func main() {
	listen := flag.String("listen", ":10053", "address for UDP and TCP")
	health := flag.String("health", ":10054", "address of /health and /ready")
	domain := flag.String("domain", "cluster.local", "cluster domain")
	resolv := flag.String("resolv", "/etc/resolv.conf", "resolver for other names")
	flag.Parse()

	cluster := newCluster()
	go follow("/api/v1/services", cluster.setServices)
	go follow("/api/v1/endpoints", cluster.setEndpoints)

	handler := &server{zone: dns.Fqdn(*domain), cluster: cluster, upstream: readUpstream(*resolv)}
	for _, network := range []string{"udp", "tcp"} {
		go func(network string) {
			log.Fatal((&dns.Server{Addr: *listen, Net: network, Handler: handler}).ListenAndServe())
		}(network)
	}
	http.HandleFunc("/health", func(w http.ResponseWriter, _ *http.Request) {})
	http.HandleFunc("/ready", func(w http.ResponseWriter, _ *http.Request) {
		if !cluster.ready() {
			http.Error(w, "not synchronised yet", http.StatusServiceUnavailable)
		}
	})
	log.Fatal(http.ListenAndServe(*health, nil))
}
