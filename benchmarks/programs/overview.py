"""Make ``/overview``, a page that lists a folder of documents, as those of a site do: ``bin/NAME run overview.py``."""

from typing import Any

import transaction
from OFS.DTMLDocument import DTMLDocument
from OFS.Folder import Folder
from Products.PageTemplates.ZopePageTemplate import ZopePageTemplate

#: With so many it takes some tens of milliseconds, as Plone's pages do.
DOCUMENTS = 500

TEMPLATE = """\
<html>
  <body>
    <h1 tal:content="here/title_or_id">Title</h1>
    <ul>
      <li tal:repeat="document here/documents/objectValues">
        <a href="#" tal:attributes="href document/absolute_url" tal:content="document/title_or_id">A document</a>
        <span tal:replace="document/get_size">Its size</span>
      </li>
    </ul>
  </body>
</html>
"""

app: Any = globals()["app"]  # of bin/NAME run
documents = Folder("documents")
app._setObject("documents", documents)
for number in range(DOCUMENTS):
    name = f"document-{number}"
    app.documents._setObject(name, DTMLDocument("A paragraph. " * number, __name__=name))
app._setObject("overview", ZopePageTemplate("overview", TEMPLATE))
transaction.commit()
