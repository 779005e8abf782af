import plone.recipe.zope2instance.ctl

if __name__ == "__main__":
    sys.exit(plone.recipe.zope2instance.ctl.main([
{% for argument in arguments %}
        {{ argument }},
{% endfor %}
    ] + sys.argv[1:]))
