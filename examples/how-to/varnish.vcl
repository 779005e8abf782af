# On Debian: /etc/varnish/default.vcl

vcl 4.1;

backend zope {
    .host = "127.0.0.1";
    .port = "8080";
}

sub vcl_recv {
    # Varnish has appended the address to the client's own header, so replace it
    set req.http.X-Forwarded-For = client.ip;
    set req.http.X-Forwarded-Proto = "http";
}

sub vcl_backend_response {
    # A response without a time to live is not cached
    if (!beresp.http.Cache-Control && !beresp.http.Expires) {
        set beresp.uncacheable = true;
    }
}
