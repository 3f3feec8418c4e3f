package main

import (
	"strings"
	"sync"
)

// cluster is what the API says: Services and Endpoints by "name.namespace".
type cluster struct {
	sync.RWMutex
	services, endpoints map[string]object
	reverse             map[string]string // cluster IP -> "name.namespace"
}

func newCluster() *cluster { return &cluster{} }

func byName(objects map[string]object) map[string]object {
	named := make(map[string]object, len(objects))
	for _, item := range objects {
		named[strings.ToLower(item.Metadata.Name+"."+item.Metadata.Namespace)] = item
	}
	return named
}

func (c *cluster) setServices(objects map[string]object) {
	named, reverse := byName(objects), map[string]string{}
	for name, service := range named {
		reverse[service.Spec.ClusterIP] = name
	}
	c.Lock()
	c.services, c.reverse = named, reverse
	c.Unlock()
}

func (c *cluster) setEndpoints(objects map[string]object) {
	named := byName(objects)
	c.Lock()
	c.endpoints = named
	c.Unlock()
}

func (c *cluster) ready() bool {
	c.RLock()
	defer c.RUnlock()
	return c.services != nil && c.endpoints != nil
}

func (c *cluster) service(name string) (object, bool) {
	c.RLock()
	defer c.RUnlock()
	service, ok := c.services[name]
	return service, ok
}

func (c *cluster) nameOf(ip string) (string, bool) {
	c.RLock()
	defer c.RUnlock()
	name, ok := c.reverse[ip]
	return name, ok
}

func (c *cluster) namespaceExists(namespace string) bool {
	c.RLock()
	defer c.RUnlock()
	for name := range c.services {
		if strings.HasSuffix(name, "."+namespace) {
			return true
		}
	}
	return false
}

// backend is one endpoint of a headless Service.
type backend struct {
	ip, host string
	ports    []port
}

func (c *cluster) backends(name string, unready bool) []backend {
	c.RLock()
	defer c.RUnlock()
	var found []backend
	for _, subset := range c.endpoints[name].Subsets {
		addresses := subset.Addresses
		if unready {
			addresses = append(append([]address{}, addresses...), subset.NotReadyAddresses...)
		}
		for _, a := range addresses {
			host := a.Hostname
			if host == "" {
				host = strings.ReplaceAll(a.IP, ".", "-")
			}
			found = append(found, backend{a.IP, strings.ToLower(host), subset.Ports})
		}
	}
	return found
}
