{{ header }}

import sys
{% if levels %}

import os

base = os.path.realpath(__file__)
for _ in range({{ levels }}):
    base = os.path.dirname(base)
os.environ[{{ variable }}] = base
{% endif %}

sys.path[0:0] = [
{% for path in paths %}
    {{ path }},
{% endfor %}
]
{% if initialization %}

{{ initialization }}
{% endif %}

{{ body }}
